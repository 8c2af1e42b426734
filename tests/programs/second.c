// SPDX-License-Identifier: Apache-2.0
/*
 * second [COMMAND [ARGUMENT]...]: its second thread goes on alone: it runs the command, or waits
 * when the first one has ended.
 */
#include <pthread.h>
#include <unistd.h>

static char **command;

static void *go_on(void *unused)
{
	if (*command)
		execvp(*command, command);
	pause();
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	command = argv + 1;
	if (pthread_create(&thread, NULL, go_on, NULL))
		return 71;
	if (argc > 1)
		pause();
	pthread_exit(NULL);
}
