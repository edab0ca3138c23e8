// SPDX-License-Identifier: MIT
/*
 * info_dsa.c - the rows of `iofault info` about an Intel DSA: what it has, and how this CPU can
 * submit to it. Nothing of the device changes but that it may do DMA.
 */
#include <inttypes.h>

#include "info.h"
#include "real_dsa.h"
#include "tool.h"

void iof_info_dsa(const char *section, const struct iof_real_machine *machine, int device)
{
	struct iof_real_dsa dsa;
	char text[IOF_TEXT];
	bool shared;

	if (iof_real_dsa_is(machine, device) != 1)
		return;
	if (iof_real_dsa_open(&dsa, machine, device)) {
		iof_info_row(section, "DSA", "cannot be used: %s", dsa.why);
		return;
	}
	iof_info_row(section, "DSA", "version %u.%u, %u work queue%s with %u entries, %u engine%s",
		     dsa.version >> 8, dsa.version & 0xff, dsa.nr_queues,
		     dsa.nr_queues == 1 ? "" : "s", dsa.entries, dsa.nr_engines,
		     dsa.nr_engines == 1 ? "" : "s");
	iof_info_row(section, "descriptors", "up to %s, batches of up to %u",
		     iof_size_text(text, dsa.max_transfer), dsa.max_batch);
	if (!iof_real_dsa_can_submit(&dsa, &shared))
		iof_info_row(section, "submission", "no: %s", dsa.why);
	else
		iof_info_row(section, "submission", "%s",
			     shared ? "enqcmd, to a shared queue" :
				      "movdir64b, to dedicated queues");
	iof_real_dsa_close(&dsa);
}
