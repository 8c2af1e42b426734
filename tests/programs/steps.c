// SPDX-License-Identifier: Apache-2.0
/*
 * steps WORD...: makes the calls that its arguments say, in order, and prints the result of each
 * on a line of its own: what the call returned, or minus errno.
 *
 *   stat PATH            open PATH              chdir DIR    fchdir FD    chroot DIR
 *   statat FD PATH       openat FD PATH         mkdir DIR    rmdir DIR    rename PATH PATH
 *   renameat FD PATH FD PATH FLAGS              renameat2
 *   movemount FD PATH FD PATH FLAGS             move_mount
 *   mount PATH PATH FLAGS
 *   at FD PATH           opens directory PATH and makes that descriptor FD
 *   openat2 FD RESOLVE PATH                     with open_how.resolve
 *   empty FD             newfstatat(FD, "", AT_EMPTY_PATH)
 *   null                 newfstatat(AT_FDCWD, NULL)
 *   bad NUMBER           newfstatat(AT_FDCWD, (char *)NUMBER)
 *   edge                 a path without an end at the end of mapped memory
 *   over PATH            newfstatat that writes its result over its path
 *   beside PATH          newfstatat that writes its result right before its path
 *   linkover PATH        readlink that writes its result over its path
 *   handleover PATH      name_to_handle_at, likewise
 *   partover PATH        newfstatat whose result has only room for a part of it, over its path
 *   down COUNT NAME      COUNT times mkdir NAME and chdir NAME
 *   exec PATH            execve; the words after it are the new program's arguments
 *   execat FD FLAGS PATH execveat, likewise
 *   threadexec PATH      execve by a second thread
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static char **words;

static char *word(void)
{
	if (!*words)
		exit(64);
	return *words++;
}

static int number(void)
{
	return strtol(word(), NULL, 0);
}

static long stat_at(int fd, const char *path, int flags)
{
	struct stat stat;

	return syscall(SYS_newfstatat, fd, path, &stat, flags);
}

static long open_as(int fd, const char *path)
{
	int opened = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);

	return opened < 0 ? -1 : dup2(opened, fd);
}

static long open2(int fd, unsigned long resolve, const char *path)
{
	struct open_how how = {.flags = O_RDONLY, .resolve = resolve};

	return syscall(SYS_openat2, fd, path, &how, sizeof(how));
}

/* The last page before memory that is not there. */
static char *last_page(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(memory + page, page);
	return memory;
}

static long stat_edge(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *memory = last_page();

	memset(memory, 'e', page);
	return stat_at(AT_FDCWD, memory + page - 8, 0);
}

static long stat_over(const char *path, size_t place)
{
	static char memory[8192];

	strcpy(memory + place, path);
	return syscall(SYS_newfstatat, AT_FDCWD, memory + place, memory, 0);
}

static long handle_over(const char *path)
{
	static char memory[4096];
	struct file_handle *handle = (struct file_handle *)memory;
	int mount;

	handle->handle_bytes = MAX_HANDLE_SZ;
	strcpy((char *)handle->f_handle, path);
	return syscall(SYS_name_to_handle_at, AT_FDCWD, handle->f_handle, handle, &mount, 0);
}

static long stat_part_over(const char *path)
{
	char *end = last_page() + sysconf(_SC_PAGESIZE), *place = end - strlen(path) - 1;

	strcpy(place, path);
	return syscall(SYS_newfstatat, AT_FDCWD, place, end - sizeof(struct stat) / 2, 0);
}

static long link_over(const char *path)
{
	static char memory[4096];

	strcpy(memory, path);
	return syscall(SYS_readlinkat, AT_FDCWD, memory, memory, sizeof(memory));
}

static long down(int count, const char *name)
{
	while (count--)
		if (mkdir(name, 0700) || chdir(name))
			return -1;
	return 0;
}

/* A call whose arguments are two directories' descriptors, a path from each, and flags. */
static long at_both(int call)
{
	int from = number(), to;
	char *old = word(), *new;

	to = number();
	new = word();
	return syscall(call, from, old, to, new, number());
}

static long mount_at(const char *source, const char *target)
{
	return mount(source, target, NULL, strtoul(word(), NULL, 0), NULL);
}

static void *exec_in_thread(void *path)
{
	execve(path, words - 1, environ);
	return NULL;
}

static long exec_by_thread(char *path)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exec_in_thread, path);
	pthread_join(thread, NULL);
	return -1;
}

static long step(const char *name)
{
	int fd, value;

	if (!strcmp(name, "stat"))
		return stat_at(AT_FDCWD, word(), 0);
	if (!strcmp(name, "statat"))
		return fd = number(), stat_at(fd, word(), 0);
	if (!strcmp(name, "open"))
		return syscall(SYS_openat, AT_FDCWD, word(), O_RDONLY, 0);
	if (!strcmp(name, "openat"))
		return fd = number(), syscall(SYS_openat, fd, word(), O_RDONLY, 0);
	if (!strcmp(name, "openat2"))
		return fd = number(), value = number(), open2(fd, value, word());
	if (!strcmp(name, "at"))
		return fd = number(), open_as(fd, word());
	if (!strcmp(name, "chdir"))
		return chdir(word());
	if (!strcmp(name, "fchdir"))
		return fchdir(number());
	if (!strcmp(name, "chroot"))
		return chroot(word());
	if (!strcmp(name, "mkdir"))
		return mkdir(word(), 0700);
	if (!strcmp(name, "rmdir"))
		return rmdir(word());
	if (!strcmp(name, "rename")) {
		char *old = word();

		return syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, word(), 0);
	}
	if (!strcmp(name, "renameat"))
		return at_both(SYS_renameat2);
	if (!strcmp(name, "movemount"))
		return at_both(SYS_move_mount);
	if (!strcmp(name, "mount")) {
		char *source = word();

		return mount_at(source, word());
	}
	if (!strcmp(name, "empty"))
		return stat_at(number(), "", AT_EMPTY_PATH);
	if (!strcmp(name, "null"))
		return stat_at(AT_FDCWD, NULL, 0);
	if (!strcmp(name, "opennull"))
		return syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY, 0);
	if (!strcmp(name, "fsconfig")) /* SET_PATH, and bits that the kernel does not look at */
		return syscall(SYS_fsconfig, -1, 1l << 32 | 3, "key", word(), AT_FDCWD);
	if (!strcmp(name, "bad"))
		return stat_at(AT_FDCWD, (char *)strtoul(word(), NULL, 0), 0);
	if (!strcmp(name, "edge"))
		return stat_edge();
	if (!strcmp(name, "over"))
		return stat_over(word(), 0);
	if (!strcmp(name, "beside"))
		return stat_over(word(), sizeof(struct stat));
	if (!strcmp(name, "linkover"))
		return link_over(word());
	if (!strcmp(name, "handleover"))
		return handle_over(word());
	if (!strcmp(name, "partover"))
		return stat_part_over(word());
	if (!strcmp(name, "down"))
		return value = number(), down(value, word());
	if (!strcmp(name, "exec")) {
		char *path = word();

		return execve(path, words - 1, environ);
	}
	if (!strcmp(name, "execat")) {
		fd = number();
		value = number();
		char *path = word();

		return syscall(SYS_execveat, fd, path, words - 1, environ, value);
	}
	if (!strcmp(name, "threadexec"))
		return exec_by_thread(word());
	fprintf(stderr, "unknown step %s\n", name);
	exit(64);
}

int main(int argc, char **argv)
{
	(void)argc;
	words = argv + 1;
	while (*words) {
		long result = step(word());

		printf("%d\n", result < 0 ? -errno : (int)result);
		fflush(stdout);
	}
	return 0;
}
