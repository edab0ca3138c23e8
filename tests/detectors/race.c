// SPDX-License-Identifier: MIT
/* Two threads add to one int without a lock; ThreadSanitizer must report it. */
#include <pthread.h>

static int shared;

static void *add(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++)
		shared++;
	return NULL;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, add, NULL))
		return 0;
	add(NULL);
	pthread_join(thread, NULL);
	return 0;
}
