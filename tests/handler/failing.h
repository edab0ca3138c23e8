/* SPDX-License-Identifier: MIT */
/*
 * failing.h - makes calls fail when a test wants it. no_memory.c includes it before each file of
 * handler/ that it compiles again. It counts what these files allocate; all of it must be freed.
 */
#ifndef TESTS_HANDLER_FAILING_H
#define TESTS_HANDLER_FAILING_H

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <iofault/iofault.h>

void *failing_malloc(size_t size);
void *failing_calloc(size_t nr, size_t size);
void failing_free(void *p);
void *failing_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
int failing_munmap(void *addr, size_t length);
int failing_eventfd(unsigned int value, int flags);
int failing_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			   void *arg);
int failing_ioctl(int fd, unsigned long cmd, void *arg);

#ifndef FAILING_ITSELF
#define malloc	       failing_malloc
#define calloc	       failing_calloc
#define free	       failing_free
#define mmap	       failing_mmap
#define munmap	       failing_munmap
#define eventfd	       failing_eventfd
#define pthread_create failing_pthread_create
#define iof_ioctl      failing_ioctl
#endif

#endif
