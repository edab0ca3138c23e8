/* SPDX-License-Identifier: MIT */
/*
 * tool.h - what all parts of the `iofault` command share: how it speaks, reads sizes and ends.
 *
 * - A command is a function that gets its own argv and returns the exit status: 0 done and right, 1
 *   not, 2 wrong usage, 128 + n ended by signal n.
 * - Whatever goes wrong is said once, to standard error, in one sentence with "iofault: " before
 *   it; what was asked for goes to standard output.
 * - Functions return 0 or a negative errno, unless they say otherwise.
 */
#ifndef IOF_TOOL_H
#define IOF_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum iof_exit {
	IOF_EXIT_OK = 0,
	IOF_EXIT_WRONG = 1,
	IOF_EXIT_USAGE = 2,
	IOF_EXIT_SIGNAL = 128,	/* plus the signal's number */
};

int iof_cmd_page(int argc, char **argv);
int iof_cmd_run(int argc, char **argv);
int iof_cmd_info(int argc, char **argv);

/* "iofault: ", the sentence, a line feed; a progress bar that stands there is wiped first. */
void iof_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, for the return statement of a failed function: says it and returns @status. */
int iof_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * Names of files may hold anything: leaves no line feed in @line, and nothing that a terminal
 * obeys. Returns it.
 */
char *iof_tame(char *line);
/* The system's words for an errno, negative or not. */
const char *iof_reason(int err);

/*
 * A number in decimal or 0x..., from @least to @most. With @sizes the suffixes K, M, G and T (times
 * 1024) are understood, "KiB" and "kB" alike. False: it is none, or out of range.
 */
bool iof_number(const char *text, bool sizes, uint64_t least, uint64_t most, uint64_t *out);

#define IOF_TEXT 32	/* room for what the following four write */

/* "64 MiB", "1.5 GiB", "17 B". Returns @text. */
const char *iof_size_text(char text[IOF_TEXT], uint64_t bytes);
/* As an option is written: "64M", "12K", "4097". */
const char *iof_size_option(char text[IOF_TEXT], uint64_t bytes);
/* "1,234,567" */
const char *iof_count_text(char text[IOF_TEXT], uint64_t count);
/* "3.4 us", "12 ms" */
const char *iof_time_text(char text[IOF_TEXT], uint64_t ns);

/* Now, in nanoseconds that only go forward. */
uint64_t iof_now(void);
/* The most memory that this process had resident so far, in bytes. */
uint64_t iof_peak_memory(void);
/* What Linux says that it could give without swapping, in bytes; 0 if it does not say. */
uint64_t iof_available_memory(void);
/* The page on stdout; what cannot be written there is an error of the command. */
int iof_flush_stdout(int status);

/*
 * Progress: a line on standard error that is drawn again and again, if that is a terminal.
 */
struct iof_progress {
	bool on;
	bool drawn;		/* something stands there */
	uint64_t total;
	uint64_t begun;		/* ns */
	uint64_t last;		/* ns, when it was drawn */
	const char *what;
};

#define IOF_PROGRESS_MS 100

/* Nothing is drawn if @quiet, if standard error is no terminal, or if TERM says "dumb". */
void iof_progress_begin(struct iof_progress *progress, const char *what, uint64_t total,
			bool quiet);
/* @note: a few words behind the numbers. Draws at most ten times a second. */
void iof_progress_show(struct iof_progress *progress, uint64_t done, const char *note);
/* Wipes the line. */
void iof_progress_end(struct iof_progress *progress);
/* Wipes whatever line stands there, for somebody who wants to print. */
void iof_progress_wipe(void);

/*
 * Signals: INT, TERM and HUP are blocked from iof_signals_take() on, so that no thread made later
 * is disturbed, and read from a descriptor instead.
 */
int iof_signals_take(void);
/* The descriptor, for poll(); -1 after the first signal. */
int iof_signals_fd(void);
/*
 * The signal that came, or 0. From the first one on the signals do again what they always did, so
 * that a second one ends the process on the spot.
 */
int iof_signals_came(void);

#endif
