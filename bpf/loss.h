/* SPDX-License-Identifier: GPL-2.0 */
/* Losses, by cause and by cgroup. */

struct loss_key {
	u64 cgroup;
	u32 cause;
	u32 spare;
};

BPF_F_TABLE("hash", struct loss_key, u64, losses, MOST_LOSSES, 0);

static inline void count_loss(u64 cgroup, u32 cause)
{
	struct loss_key key = {.cgroup = cgroup, .cause = cause};
	struct control *ctl = get_control();
	u64 zero = 0, *count;

	if (ctl)
		ctl->lost[cause]++;
	count = losses.lookup_or_try_init(&key, &zero);
	if (count)
		__sync_fetch_and_add(count, 1);
}
