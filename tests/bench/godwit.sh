# shellcheck shell=bash
# THE CONTRACT: how the benchmarks drive Godwit. Everything else in this folder is servers, data and peers.
#
# Each function gets a profile whose migration is `bench`, with a source store, a target store and one pipeline `bench`
# (see write_profile in bench.sh). It returns when what it promises is true, with 0; with another code when it failed; and
# with 3 when this build of Godwit cannot do it yet, and then the table says so. Output goes to the benchmark's log.
# Where memory is measured the engine must be a child that the function waits for, as the kernel counts only those.
# The functions run in a `bash` of their own: they know $godwit and exported variables only.

# Loads the empty target from the source, up to the end of the backfill with primary keys built. Timed.
godwit_copy() { return 3; }

# Brings the pipeline up until the target follows the source; the engine stays behind.
godwit_live() { return 3; }

# Holds a live pipeline; changes pile up in the source's log.
godwit_pause() { return 3; }

# Lets a paused pipeline go on; does not wait for it to catch up.
godwit_resume() { return 3; }

# Takes a live pipeline through the cutover, route included. Timed from the writers' side.
godwit_cutover() { return 3; }

# Compares all tables of the pipeline once; fails when they differ. Timed.
godwit_verify() { return 3; }

# Ends the engine and removes what it made on both servers.
godwit_stop() { return 3; }

export -f godwit_copy godwit_live godwit_pause godwit_resume godwit_cutover godwit_verify godwit_stop
