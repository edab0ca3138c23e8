// SPDX-License-Identifier: MIT
/*
 * progress.c - the progress bar, one line on the terminal.
 *
 * Only the main thread draws. The line is as wide as the terminal is when it is drawn. Without a
 * terminal that can move the cursor, no line is drawn.
 */
#include "tool.h"

#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct iof_progress *shown;

static unsigned int width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return 80;
	return size.ws_col;
}

void iof_progress_begin(struct iof_progress *progress, const char *what, uint64_t total, bool quiet)
{
	const char *term = getenv("TERM");

	iof_progress_wipe();
	*progress = (struct iof_progress){
		.on = !quiet && total && isatty(STDERR_FILENO) && (!term || strcmp(term, "dumb")),
		.total = total,
		.begun = iof_now(),
		.what = what,
	};
	shown = progress;
}

void iof_progress_show(struct iof_progress *progress, uint64_t done, const char *note)
{
	char sizes[2][IOF_TEXT], text[160], bar[256];
	unsigned int columns, room, full;
	uint64_t now, rate;
	int length;

	if (!progress->on)
		return;
	now = iof_now();
	if (now - progress->last < IOF_PROGRESS_MS * 1000000ull)
		return;
	progress->last = now;
	rate = (uint64_t)((double)done * 1e9 / (double)(now - progress->begun + 1));
	length = snprintf(text, sizeof(text), " %3u%%  %s  %s/s%s%s",
			  (unsigned int)((double)done * 100 / (double)progress->total),
			  iof_size_text(sizes[0], done), iof_size_text(sizes[1], rate),
			  *note ? "  " : "", note);
	if (length < 0)
		return;
	/* The last column stays empty: some terminals wrap when it is written. */
	columns = width() - 1;
	room = columns > (unsigned int)length + strlen(progress->what) + 3 ?
		       columns - (unsigned int)length - (unsigned int)strlen(progress->what) - 3 :
		       0;
	if (room > 40)
		room = 40;
	if (room < 5)
		room = 0;
	full = (unsigned int)((double)room * (double)done / (double)progress->total);
	if (full > room)
		full = room;
	memset(bar, '.', room);
	memset(bar, '#', full);
	if (room)
		length = snprintf(bar + room, sizeof(bar) - room, "]%s", text);
	fputs("\r\033[K", stderr);
	if (room)
		fprintf(stderr, "%s [%s", progress->what, bar);
	else
		fprintf(stderr, "%.*s", (int)columns, text + 1);
	fflush(stderr);
	progress->drawn = true;
}

void iof_progress_wipe(void)
{
	if (!shown || !shown->drawn)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	shown->drawn = false;
}

void iof_progress_end(struct iof_progress *progress)
{
	iof_progress_wipe();
	if (shown == progress)
		shown = NULL;
}
