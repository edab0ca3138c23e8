/* SPDX-License-Identifier: MIT */
/*
 * poll.h - asks a file for its readiness, and adds entries to its wait queues.
 */
#ifndef IOF_SHIM_LINUX_POLL_H
#define IOF_SHIM_LINUX_POLL_H

/* Includes the C library's header, so that a file may include both. */
#include <poll.h>
#include <sys/epoll.h>
#include <linux/fs.h>
#include <linux/wait.h>

struct poll_table_struct;
typedef void (*poll_queue_proc)(struct file *file, struct wait_queue_head *wq,
				struct poll_table_struct *table);

typedef struct poll_table_struct {
	poll_queue_proc _qproc;
	__poll_t _key;
} poll_table;

#define DEFAULT_POLLMASK (EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM)

static inline void poll_wait(struct file *file, struct wait_queue_head *wq, poll_table *table)
{
	if (table && table->_qproc && wq)
		table->_qproc(file, wq, table);
}

static inline void init_poll_funcptr(poll_table *table, poll_queue_proc proc)
{
	table->_qproc = proc;
	table->_key = ~(__poll_t)0;
}

static inline __poll_t vfs_poll(struct file *file, poll_table *table)
{
	return file->f_op->poll ? file->f_op->poll(file, table) : DEFAULT_POLLMASK;
}

#endif
