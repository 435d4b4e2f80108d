# shellcheck shell=bash
# Sourced by up, down and server: where the programs are, who runs them, and whether a server is alive.
#
# Every server has a name (pg1, pg2, pgbouncer, pgbouncer-session, maria1, maria2, mysql1, mysql2, mongo1, mongo2, redis1, redis2, valkey1,
# valkey2, pg13, pg14, pg16, pg17, pg18, pgr1) and lives in a lab directory $lab:
#   env                   shell lines that tests and people source, mode 0600
#   pg1/ pg2/             clusters, owned by the server user        pg1.url pg2.url  their URLs, mode 0600
#   maria1/ maria2/       data directories with their my.cnf       maria1.url maria2.url
#   pgbouncer*/           pgbouncer.ini and databases.ini, the latter for tests to rewrite
#   mysql1/ mysql2/       see mysql.sh
#   mongo* redis* valkey* see mongodb_redis.sh
#   pg13/ to pg18/        clusters of other versions, see postgres_versions.sh
#   pgr1/                 a replica of pg1, which streams from it
#   run/ log/             pid files, passwords for the servers; logs

# Where Debian keeps pgbouncer; not on the path of ordinary users.
PATH=$PATH:/usr/sbin

# All servers that a lab can have, in the order in which they start.
all_servers=(pg1 pg2 pgbouncer pgbouncer-session maria1 maria2 mysql1 mysql2 mongo1 mongo2 redis1 redis2 valkey1 valkey2 pg13 pg14 pg16 pg17 pg18 pgr1)

die() {
    echo "tests/lab: $*" >&2
    exit 1
}

# shellcheck source-path=SCRIPTDIR
. "$here/mongodb_redis.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/valkey.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/mysql.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/postgres_versions.sh"

# True for a server that runs another version of PostgreSQL: it is started only by name.
is_other_postgres() { [[ $1 =~ ^pg1[0-9]$ ]]; }

# Where the programs of a PostgreSQL server are. pg1 and pg2 run the newest of Debian's, but 15 when it is there: the suites are written against 15.
postgres_bin() {
    local bin
    if is_other_postgres "${1:-pg1}"; then
        has_postgres "${1#pg}" || die "no PostgreSQL ${1#pg}: run tests/run once"
        echo "$(postgres_tree "${1#pg}")/bin"
        return
    fi
    for bin in /usr/lib/postgresql/15/bin $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
        [[ -x $bin/initdb ]] && echo "$bin" && return
    done
    die "no PostgreSQL server under /usr/lib/postgresql: run tests/run once, or apt-get install postgresql-15"
}

# PostgreSQL refuses to run as root; then the account of Debian's package runs the servers, or nobody.
server_user() {
    if ((EUID != 0)); then
        id -un
    elif id postgres >/dev/null 2>&1; then
        echo postgres
    else
        echo nobody
    fi
}

# Runs a command as the server user, in a directory that this user can read.
as_server() {
    if ((EUID != 0)); then
        (cd "$lab" && exec "$@")
    else
        (cd "$lab" && exec runuser -u "$(server_user)" -- "$@")
    fi
}

# Checks that $lab is a directory that `up` made, so that nothing else is ever stopped or removed.
need_lab() {
    [[ -n $lab ]] || die "which lab? Name its directory, or source its env file"
    [[ -f $lab/env ]] || die "$lab is not a lab: it has no env file"
    lab=$(cd "$lab" && pwd)
}

pid_file() {
    case $1 in
        pg*[0-9]) echo "$lab/$1/postmaster.pid" ;;
        *) echo "$lab/run/$1.pid" ;;
    esac
}

# Prints the pid of a live server. Pid files outlive their servers and pids are used again,
# so the command line of the process must name our directory.
server_pid() {
    local pid
    pid=$(head -n 1 "$(pid_file "$1")" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ ]] || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$lab/$1" || return 1
    echo "$pid"
}

# Prints a server's pid and those of its children (PostgreSQL backends).
server_tree() {
    local pid
    pid=$(server_pid "$1") || return 1
    echo "$pid"
    # Fields after the command's name, which may hold blanks: state, then the parent.
    cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^\([0-9]*\) (.*) . \([0-9]*\) .*/\1 \2/' | awk -v p="$pid" '$2 == p { print $1 }'
}

# Sends a signal to a server and its backends; a backend may end between the listing and the signal.
signal_tree() {
    local pids
    mapfile -t pids < <(server_tree "$2")
    ((${#pids[@]} > 0)) || die "$2 in $lab is not running"
    kill -s "$1" "${pids[@]}" 2>/dev/null || true
}

# Waits until a command succeeds, at most $1 seconds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}

is_dead() { ! server_pid "$1" >/dev/null; }

# True when none of the pids runs; one that nobody has waited for yet has no command line any more.
have_ended() {
    local pid
    for pid; do
        [[ -z $(tr -d '\0' 2>/dev/null <"/proc/$pid/cmdline") ]] || return 1
    done
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A loopback port that nobody listens on, below the range that the kernel gives to outgoing connections.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && listens "$port"; do :; done
    echo "$port"
}

start_server() {
    is_dead "$1" || die "$1 in $lab is already running"
    # After a kill both servers would take the pid of a process that nobody has waited for as a sign of life.
    rm -f "$(pid_file "$1")"
    case $1 in
        pg*[0-9])
            as_server "$(postgres_bin "$1")/pg_ctl" -D "$lab/$1" -l "$lab/log/$1.log" -w -t 60 start >/dev/null ||
                { tail -n 5 "$lab/log/$1.log" >&2; die "$1 did not start"; }
            ;;
        mongo*) launch_mongo "$1" ;;
        redis* | valkey*) launch_redis "$1" ;;
        mysql*) launch_mysql "$1" ;;
        maria*)
            # Its own session: a server outlives the script that started it. `setsid` returns at once.
            as_server setsid -f mariadbd --defaults-file="$lab/$1/my.cnf" >>"$lab/log/$1.out" 2>&1 </dev/null
            within 60 listens "$(sed -n 's/^port = //p' "$lab/$1/my.cnf")" ||
                { tail -n 5 "$lab/log/$1.log" >&2; die "$1 did not start"; }
            ;;
        pgbouncer*)
            as_server pgbouncer -q -d "$lab/$1/pgbouncer.ini"
            within 10 listens "$(sed -n 's/^listen_port = //p' "$lab/$1/pgbouncer.ini")" ||
                { tail -n 5 "$lab/log/$1.log" >&2; die "$1 did not start"; }
            ;;
        *) die "no server is called $1: there are ${all_servers[*]}" ;;
    esac
}

# Stops a server in good order; one that does not end is killed.
stop_server() {
    is_dead "$1" && return
    signal_tree CONT "$1"
    case $1 in
        pg*[0-9]) as_server "$(postgres_bin "$1")/pg_ctl" -D "$lab/$1" -m fast -w -t 60 stop >/dev/null || true ;;
        *) kill -s TERM "$(server_pid "$1")" ;;
    esac
    within 10 is_dead "$1" || kill_server "$1"
}

# As a crash of the machine would: the server and its backends end at once.
kill_server() {
    local pids
    mapfile -t pids < <(server_tree "$1")
    signal_tree KILL "$1"
    within 10 have_ended "${pids[@]}" || die "$1 in $lab outlived SIGKILL"
}
