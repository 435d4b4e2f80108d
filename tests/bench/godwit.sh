# shellcheck shell=bash
# How the benchmarks drive Godwit. Everything else in this folder is servers, data and peers.
#
# Each function gets a profile whose migration is `bench`, with a source store, a target store and one pipeline `bench`
# (see write_profile in bench.sh). It returns when what it promises is true, with 0, and with another code when it failed.
# Output goes to the benchmark's log. The functions run in a `bash` of their own: they know $godwit, $work and other
# exported variables only. The engine lives from godwit_start to godwit_stop; its peak memory is read from the kernel.

# Journal and socket lie beside the benchmark's other files.
export XDG_STATE_HOME=${work:-/nonexistent}/state XDG_RUNTIME_DIR=${work:-/nonexistent}/run

# godwit_phase PROFILE PHASE...: asks for each phase, consents to its plan, and waits for its end.
godwit_phase() {
    local profile=$1 phase hash
    shift
    for phase; do
        hash=$("$godwit" run "$phase" -p "$profile" --json | jq -er '.plan.hash')
        "$godwit" approve "$phase" -p "$profile" --yes --plan "$hash" --wait
    done
}

# Starts an engine, and makes the checks that come before a migration.
godwit_start() {
    local end=$((SECONDS + 60))
    mkdir -p -m 700 "$XDG_STATE_HOME" "$XDG_RUNTIME_DIR"
    setsid "$godwit" engine -p "$1" &
    echo $! >"$work/engine.pid"
    until "$godwit" status -p "$1" --json >/dev/null; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
    godwit_phase "$1" assess
}

# Loads the empty target from the source, up to the end of the backfill with primary keys built. Timed.
godwit_copy() { godwit_phase "$1" build backfill; }

# Brings the pipeline up until the target follows the source; the engine stays behind.
godwit_live() { godwit_start "$1" && godwit_phase "$1" build backfill sync; }

# Brings a live pipeline to where only the cutover is left, and its gates are green.
godwit_ready() {
    local end=$((SECONDS + 60))
    godwit_phase "$1" verify
    until "$godwit" gates -p "$1" --json | jq -e '.phases.cutover | length > 0 and all(.state == "green")' >/dev/null; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

# Holds a live pipeline; changes pile up in the source's log.
godwit_pause() { "$godwit" pause --pipeline bench -p "$1" --wait --timeout 60s; }

# Lets a paused pipeline go on; does not wait for it to catch up.
godwit_resume() { "$godwit" resume --pipeline bench -p "$1"; }

# Takes a live pipeline through the cutover, route included. Timed from the writers' side.
godwit_cutover() { godwit_phase "$1" cutover; }

# Compares all tables of the pipeline once; fails when they differ. Timed.
godwit_verify() { "$godwit" verify -p "$1" --wait; }

# Ends the engine, and removes its journal and what would hold the servers' logs.
godwit_stop() {
    "$godwit" down -p "$1" --yes
    rm -rf -- "$XDG_STATE_HOME" "$work/engine.pid"
    local server database end=$((SECONDS + 30))
    for server in "$pg1" "$pg2"; do
        # A walsender notices only after a moment that its client is gone.
        until [[ $(sql "${server}postgres" "select count(*) from pg_replication_slots where slot_name like 'godwit%' and active") == 0 ]]; do
            ((SECONDS < end)) || return 1
            sleep 0.05
        done
        sql "${server}postgres" "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'godwit%'"
        for database in $(sql "${server}postgres" "select datname from pg_database where datallowconn and datname !~ '^template'"); do
            sql "$server$database" "select format('drop publication %I', pubname) from pg_publication where pubname like 'godwit%'" |
                psql -X -q -v ON_ERROR_STOP=1 "$server$database"
        done
    done
}

# The most memory that the engine had, in kB; 0 without one.
godwit_peak() { awk '/^VmHWM/ { peak = $2 } END { print peak + 0 }' "/proc/$(cat "$work/engine.pid")/status" 2>/dev/null || echo 0; }

export -f godwit_phase godwit_start godwit_copy godwit_live godwit_ready godwit_pause godwit_resume godwit_cutover godwit_verify \
    godwit_stop godwit_peak
