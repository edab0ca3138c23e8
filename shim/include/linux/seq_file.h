/* SPDX-License-Identifier: MIT */
/*
 * seq_file.h - text for fdinfo, written into one buffer and cut where the buffer ends.
 */
#ifndef IOF_SHIM_LINUX_SEQ_FILE_H
#define IOF_SHIM_LINUX_SEQ_FILE_H

#include <linux/types.h>

struct seq_file {
	char *buf;
	size_t size;
	size_t count;
	void *private;
};

void iof_shim_seq_printf(struct seq_file *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define seq_printf(m, fmt, ...) iof_shim_seq_printf(m, fmt, ##__VA_ARGS__)

#endif
