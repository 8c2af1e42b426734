/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one BPF program: every traced call becomes a row, or a counted loss.
 *
 *   sys_exit.h, exec.h, uring.h          is it a traced call? what are its paths?
 *        |
 *        v
 *   make_row()   row.h begins the row, copies the path       <---+
 *        |       (in on_sys_exit itself, else in next_row)       |
 *        v                                                       |  a call's second path
 *   walk         walk.h names a directory, child first, up to    |
 *        |       the root: what names.h says that the row wants  |
 *        v                                                       |
 *   publish()    shows the row to the reader  -------------------+
 *
 * Rows go to blocks (block.h), which are written column by column and read by
 * snoop_capture/ring.py; a CPU fills one of its own, so rows take no lock. Everything that depends
 * on the running kernel comes as a macro: AT_x__y is the offset of a field
 * (snoop_capture/offsets.py), the sizes of a block and the numbers that both sides must agree on are
 * in snoop_capture/layout.py.
 *
 * BCC makes calls of maps and programs from one file alone: snoop_capture/source.py puts these parts
 * in their places.
 */

#include "memory.h"
#include "tracepoint.h"
#include "block.h"
#include "loss.h"
#include "traced.h"
#include "call.h"
#include "row.h"
#include "dentry.h"
#include "walk.h"
#include "names.h"
#include "chain.h"
#include "abi.h"
#include "seccomp.h"
#include "arguments.h"
#include "sys_exit.h"
#include "exec.h"
#include "uring.h"
#include "processes.h"
