// SPDX-License-Identifier: Apache-2.0
/*
 * A 32-bit program without libc: access("/from/32/bit"), openat(AT_FDCWD, "relative/32"), and
 * exit with 32. Built with -m32 -nostdlib -static.
 */
static long call(long number, long a, long b, long c)
{
	long result;

	asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}

void _start(void)
{
	call(33, (long)"/from/32/bit", 0, 0);
	call(295, -100, (long)"relative/32", 0);
	call(1, 32, 0, 0);
	for (;;)
		;
}
