# shellcheck shell=bash
# Sourced by the benchmarks: servers, data, runs in which the contenders take turns, and the table of ratios.
#
# Everything shares one machine, and the same run varies by half: only ratios between contenders of one run mean anything,
# so they take turns (A B A B) and the table compares medians.
#   -n ROUNDS   turns of each contender (default 3)
#   -s SCALE    size of the data, by each benchmark's own measure
# Data and tools are kept in ${GODWIT_BENCH_DIR:-~/.cache/godwit/bench}; the binary is $GODWIT or target/release/godwit.
set -euo pipefail
bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab_scripts=$bench/../lab

die() {
    echo "tests/bench: $*" >&2
    exit 1
}

# shellcheck disable=SC2034 # for the benchmarks
rounds=3 scale=''
# shellcheck disable=SC2034
while getopts n:s: option; do
    case $option in
        n) rounds=$OPTARG ;;
        s) scale=$OPTARG ;;
        *) die "options are -n ROUNDS and -s SCALE" ;;
    esac
done

cache=${GODWIT_BENCH_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/godwit/bench}
godwit=${GODWIT:-${CARGO_TARGET_DIR:-$bench/../../target}/release/godwit}
[[ -x /usr/bin/time ]] || die "no /usr/bin/time, which measures memory: apt-get install time"
command -v jq >/dev/null || die "no jq, which reads Godwit's answers: apt-get install jq"
mkdir -p "$cache"
work=$(mktemp -d "${TMPDIR:-/tmp}/godwit-bench.XXXXXX")
chmod 755 "$work"
export godwit work
# shellcheck source-path=SCRIPTDIR
. "$bench/godwit.sh"

stop() {
    local status=$?
    trap '' INT TERM HUP
    # shellcheck disable=SC2046 # a list of pids
    [[ -z $(jobs -p) ]] || kill $(jobs -p) 2>/dev/null || true
    # The engine that a broken-off round left; it has a session of its own.
    [[ ! -e $work/engine.pid ]] || kill "$(cat "$work/engine.pid")" 2>/dev/null || true
    [[ ! -e $work/lab/env ]] || "$lab_scripts/down" "$work/lab" || status=1
    ((status == 0)) || tail -n 20 "$work/log" >&2 2>/dev/null || true
    rm -rf -- "$work"
    exit "$status"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP

say() { echo "$*" >&2; }

# ---- Servers and data ------------------------------------------------------------------------------------------------

# Starts servers; $pg1 and $pg2 are their URLs up to the database's name.
start_servers() {
    "$lab_scripts/up" --bare --only "$1" --settings "$bench/postgresql.conf" "$work/lab" >/dev/null
    # shellcheck source=/dev/null
    . "$work/lab/env"
    export pg1=${GODWIT_LAB_PG1%postgres} pg2=${GODWIT_LAB_PG2%postgres}
    local bin
    # shellcheck source=/dev/null disable=SC2031,SC2034 # the lab's scripts want to know where they are
    bin=$(here=$lab_scripts && . "$lab_scripts/servers.sh" && postgres_bin)
    PATH=$bin:$PATH
}

# sql DATABASE-URL STATEMENT...: each in a transaction of its own; prints bare values.
sql() {
    local url=$1 arguments=()
    shift
    for statement; do arguments+=(-c "$statement"); done
    psql -X -q -A -t -v ON_ERROR_STOP=1 "$url" "${arguments[@]}" 2>>"$work/log"
}
export -f sql

# Makes a database anew, and leaves no dirty pages for the next timed run to write.
fresh_database() {
    sql "$1postgres" "drop database if exists $2 with (force)" "create database $2"
    sql "${pg1}postgres" checkpoint
    sql "${pg2}postgres" checkpoint
}

# pgbench's tables at scale $2 in a database. Its history has no key: without whole rows in the log Godwit's checks refuse it.
pgbench_tables() {
    pgbench -i -q -s "$2" "$1" >>"$work/log" 2>&1
    sql "$1" 'alter table pgbench_history replica identity full'
}

# A python with one package in it, kept between runs; prints the path of one of its programs.
python_tool() {
    local venv=$cache/$1
    [[ -x $venv/bin/$2 ]] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "$1"; } >&2 ||
        die "cannot install the python package $1 in $venv"
    echo "$venv/bin/$2"
}

# TPC-H `lineitem` of scale $1 as table `lineitem` of database `tpch` on the first server, with its key.
load_lineitem() {
    local data=$cache/tpch-$1
    if [[ ! -s $data/lineitem.tbl ]]; then
        say "generating lineitem, scale $1"
        "$(python_tool tpchgen-cli tpchgen-cli)" tbl -s "$1" --tables lineitem --output-dir "$data.new" >&2
        mv "$data.new" "$data"
    fi
    fresh_database "$pg1" tpch
    sql "${pg1}tpch" "$LINEITEM"
    # Each line ends with a separator, which COPY would take for one more column.
    sed 's/|$//' "$data/lineitem.tbl" | sql "${pg1}tpch" "copy lineitem from stdin (delimiter '|')"
    sql "${pg1}tpch" "$LINEITEM_KEY" 'vacuum (analyze, freeze) lineitem'
    say "lineitem: $(sql "${pg1}tpch" 'select count(*) from lineitem') rows, $(sql "${pg1}tpch" "select pg_size_pretty(pg_table_size('lineitem'))")"
}
export LINEITEM='create table lineitem (l_orderkey bigint not null, l_partkey int not null, l_suppkey int not null,
    l_linenumber int not null, l_quantity numeric(15, 2) not null, l_extendedprice numeric(15, 2) not null,
    l_discount numeric(15, 2) not null, l_tax numeric(15, 2) not null, l_returnflag char(1) not null,
    l_linestatus char(1) not null, l_shipdate date not null, l_commitdate date not null, l_receiptdate date not null,
    l_shipinstruct char(25) not null, l_shipmode char(10) not null, l_comment varchar(44) not null)'
export LINEITEM_KEY='alter table lineitem add primary key (l_orderkey, l_linenumber)'

# write_profile FILE SOURCE-URL TARGET-URL TABLE... [-- LINE...]: the profile that Godwit gets.
write_profile() {
    local file=$1 tables=''
    (umask 077 && echo "$2" >"$work/source.url" && echo "$3" >"$work/target.url")
    shift 3
    while (($# > 0)) && [[ $1 != -- ]]; do
        tables+="${tables:+, }\"$1\""
        shift
    done
    (($# == 0)) || shift
    cat >"$file" <<-TOML
		[migration]
		name = "bench"

		[stores.source]
		engine = "postgres"
		url = "file:$work/source.url"

		[stores.target]
		engine = "postgres"
		url = "file:$work/target.url"

		[pipelines.bench]
		from = "source"
		to = "target"
		tables = [$tables]

		[ladder]
		order = ["assess", "build", "backfill", "sync", "verify", "cutover"]
	TOML
    (($# == 0)) || printf '%s\n' "$@" >>"$file"
}

# ---- Turns and figures -----------------------------------------------------------------------------------------------

# record CONTENDER FIGURE [PEAK_KB]
record() { echo "$1 $2 ${3:-0}" >>"$work/figures"; }

# timed CONTENDER COMMAND...: records seconds and the peak memory of the largest process of the command, Godwit's engine included.
timed() {
    local contender=$1 status=0 seconds peak engine=0
    shift
    /usr/bin/time -f '%e %M' -o "$work/time" bash -euo pipefail -c '"$@"' - "$@" >>"$work/log" 2>&1 || status=$?
    ((status == 0)) || die "$contender failed with exit code $status"
    read -r seconds peak < <(tail -n 1 "$work/time")
    [[ $contender != godwit ]] || engine=$(godwit_peak)
    ((engine <= peak)) || peak=$engine
    record "$contender" "$seconds" "$peak"
    say "  $contender: $seconds s, $((peak / 1024)) MB"
}

# Runs a step of Godwit outside of the clock; a failure ends the benchmark.
step() {
    local status=0
    bash -euo pipefail -c '"$@"' - "$@" >>"$work/log" 2>&1 || status=$?
    ((status == 0)) || die "$1 failed with exit code $status"
}

# report UNIT CONTENDER...: one line each, with the ratio of its median to the first contender's that was measured.
report() {
    local unit=$1 contender base=''
    shift
    for contender; do
        grep -q "^$contender " "$work/figures" && base=$contender && break
    done
    [[ $base ]] || die "nothing was measured"
    printf '\n%-24s %32s %12s %9s   (ratios to %s)\n' contender "$unit: median (range) n" ratio 'peak MB' "$base"
    for contender; do
        sort -n -k2,2 "$work/figures" | awk -v name="$contender" -v base="$base" '
            function median(of) { return (v[of, int((n[of] + 1) / 2)] + v[of, int(n[of] / 2) + 1]) / 2 }
            { v[$1, ++n[$1]] = $2; if ($1 == name && $3 > peak) peak = $3 }
            END {
                if (!n[name]) { printf "%-24s %32s\n", name, "not measured"; exit }
                figures = sprintf("%.4g (%.4g-%.4g) n%d", median(name), v[name, 1], v[name, n[name]], n[name])
                memory = (peak > 0) ? sprintf("%.0f", peak / 1024) : "-"
                printf "%-24s %32s %11.2fx %9s\n", name, figures, median(name) / median(base), memory
            }'
    done
}
