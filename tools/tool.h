/* SPDX-License-Identifier: MIT */
/*
 * tool.h - what the parts of the `iofault` command share: messages, sizes, progress, signals.
 *
 * - A command is a function that gets its own argv and returns the exit status: 0 done and right, 1
 *   not, 2 wrong usage, 128 + n ended by signal n.
 * - Each error is printed once, to standard error, as one sentence after "iofault: ". Results go to
 *   standard output.
 * - Functions return 0 or a negative errno, unless their comment says otherwise.
 */
#ifndef IOF_TOOL_H
#define IOF_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <stdio.h>

enum iof_exit {
	IOF_EXIT_OK = 0,
	IOF_EXIT_WRONG = 1,
	IOF_EXIT_USAGE = 2,
	IOF_EXIT_SIGNAL = 128, /* plus the signal's number */
};

int iof_cmd_page(int argc, char **argv);
int iof_cmd_run(int argc, char **argv);
int iof_cmd_doctor(int argc, char **argv);
int iof_cmd_info(int argc, char **argv);
int iof_cmd_bind(int argc, char **argv);
int iof_cmd_unbind(int argc, char **argv);
/* `info --run @pid`. @json: a file for the same as JSON, "-", or NULL. */
int iof_info_run(pid_t pid, const char *json);

/* Prints "iofault: ", the sentence and a line feed; wipes a progress bar first. */
void iof_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * Prints the message as iof_say() does, and returns @status, for the return statement of its
 * caller.
 */
int iof_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * Replaces line feeds and control characters in @line, which file names may contain. Returns @line.
 */
char *iof_tame(char *line);
/* Returns the system's text for an errno, negative or not. */
const char *iof_reason(int err);

/*
 * Parses a number in decimal or 0x..., from @least to @most. With @sizes the suffixes K, M, G and T
 * (times 1024) are valid, and "KiB" and "kB" alike. Returns false if the text is no number or out
 * of range.
 */
bool iof_number(const char *text, bool sizes, uint64_t least, uint64_t most, uint64_t *out);

#define IOF_TEXT 32 /* size of the buffers of the next four functions */

/* Writes a size as "64 MiB", "1.5 GiB" or "17 B". Returns @text. */
const char *iof_size_text(char text[IOF_TEXT], uint64_t bytes);
/* Writes a size in the form of an option: "64M", "12K", "4097". */
const char *iof_size_option(char text[IOF_TEXT], uint64_t bytes);
/* Writes a number as "1,234,567". */
const char *iof_count_text(char text[IOF_TEXT], uint64_t count);
/*
 * Returns the node of the kernel's first device in software. iofault.ko numbers them from 4096 if
 * vfio.ko came first, which numbers real ones from 0.
 */
const char *iof_kernel_node(void);
/* Writes a time as "3.4 us" or "12 ms". */
const char *iof_time_text(char text[IOF_TEXT], uint64_t ns);

/* Returns the monotonic clock in nanoseconds. */
uint64_t iof_now(void);
/* Returns the peak resident memory of this process, in bytes. */
uint64_t iof_peak_memory(void);
/* Returns the memory that Linux calls available without swapping, in bytes; 0 if unknown. */
uint64_t iof_available_memory(void);
/* Flushes stdout. Returns @status, or a failure after a message if writing failed. */
int iof_flush_stdout(int status);

/* Progress: a line on standard error, redrawn repeatedly if that is a terminal. */
struct iof_progress {
	bool on;
	bool drawn; /* a line is on the terminal */
	uint64_t total;
	uint64_t begun; /* time of the start, in ns */
	uint64_t last;	/* ns, time of the last draw */
	const char *what;
};

#define IOF_PROGRESS_MS 100

/*
 * Starts a bar. Nothing is drawn if @quiet, if standard error is no terminal, or if TERM is "dumb".
 */
void iof_progress_begin(struct iof_progress *progress, const char *what, uint64_t total,
			bool quiet);
/* Draws the bar, at most ten times a second. @note is a short text after the numbers. */
void iof_progress_show(struct iof_progress *progress, uint64_t done, const char *note);
/* Wipes the line. */
void iof_progress_end(struct iof_progress *progress);
/* Wipes the current bar, if any, for a caller that prints a message. */
void iof_progress_wipe(void);

/*
 * Signals: iof_signals_take() blocks INT, TERM and HUP, and threads created later inherit that. A
 * descriptor delivers the signals instead.
 */
int iof_signals_take(void);
/* Returns the descriptor for poll(), or -1 after the first signal. */
int iof_signals_fd(void);
/*
 * Returns the signal that arrived, or 0. The first one restores the default actions, so that a
 * second one ends the process at once.
 */
int iof_signals_came(void);

#endif
