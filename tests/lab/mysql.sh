# shellcheck shell=bash
# shellcheck disable=SC2154 # lab and password belong to the scripts that source this file.
# Sourced by servers.sh, up and tests/run: MySQL servers of a lab.
#
#   mysql1           as it comes, with the Performance Schema       mysql2           without it
# Both write a binary log with GTIDs, so that one can follow the other. Each has a directory of its name in $lab, and its configuration in it.
#
# Debian 12 has MariaDB only. Its unstable suite has Oracle's server, which runs here when its libraries come along, the C library and the
# loader among them: they are unpacked beside each other, outside the clone, and nothing of them is installed. Why this way:
# docs/decisions/0009-mysql-server.md.

mysql_cache() { echo "$(mongod_cache)/mysql"; }

# True when the server is there and complete.
has_mysql() { [[ -d $(mysql_cache)/data ]]; }

# How the server of a tree is run: with its own loader and libraries, and told where it finds what it was built to look for in /usr. Sets two
# arrays: program, and places, its options.
mysql_of() {
    local loader
    loader=$(compgen -G "$1/usr/lib/*/ld-linux*.so.*" | head -n 1)
    program=("$loader" --library-path "${loader%/*}" "$1/usr/sbin/mysqld")
    places=(lc-messages-dir="$1/usr/share/mysql" character-sets-dir="$1/usr/share/mysql/charsets" plugin-dir="$1/usr/lib/mysql/plugin")
}

# The suite moves on, so that nothing is pinned: apt itself resolves, downloads and verifies, by a private list of sources and as if nothing
# were installed. The mirror is the one that this machine's own release comes from; the archive's keys are those that it trusts already.
install_mysql() {
    local cache scratch key=/usr/share/keyrings/debian-archive-keyring.gpg mirror program places
    cache=$(mysql_cache)
    command -v apt-get >/dev/null && [[ -r $key ]] || return
    # shellcheck disable=SC2016 # for apt
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' \
        "Release: $(. /etc/os-release && echo "${VERSION_CODENAME:-}")" | head -n 1)
    [[ $mirror ]] || return
    mkdir -p "${cache%/*}" && scratch=$(mktemp -d "${cache%/*}/download.XXXXXX") || return
    mkdir -p "$scratch"/{lists,archives}/partial "$scratch/tree"
    : >"$scratch/status"
    echo "deb [signed-by=$key] $mirror unstable main" >"$scratch/sources.list"
    local apt=(apt-get -q -o Dir::Etc::SourceList="$scratch/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State="$scratch"
        -o Dir::State::Status="$scratch/status" -o Dir::Cache="$scratch" -o Acquire::Languages=none -o APT::Install-Recommends=false
        -o APT::Sandbox::User="$(id -un)")
    # What apt configures for its own cache on some machines may complain that it is not ours: that is not told, unless it is why nothing came.
    if "${apt[@]}" update >"$scratch/log" 2>&1 && "${apt[@]}" -y --download-only install mysql-server-core >>"$scratch/log" 2>&1; then
        # Programs other than the server, and what it needs neither to run nor to start, stay away: half of it is Perl and documentation.
        if (
            cd "$scratch" || exit
            for package in archives/*.deb; do
                case ${package##*/} in perl* | libperl* | libgdbm*) ;; *) dpkg-deb -x "$package" tree || exit ;; esac
            done
            rm -rf tree/usr/share/{doc,man,locale,lintian} tree/usr/lib/*/gconv tree/usr/lib/*/perl*
            chmod -R a+rX tree
            mysql_of "$scratch/tree"
            # Made once and copied for each server, as it takes seconds; the logs as small as they can be.
            "${program[@]}" --no-defaults --initialize-insecure --user="$(id -un)" --datadir="$scratch/tree/data" "${places[@]/#/--}" \
                --innodb-redo-log-capacity=8M --mysqlx=0 --log-error-verbosity=1 || exit
            # Each server is somebody of its own: its identity and its keys are made at its first start.
            rm -f tree/data/auto.cnf tree/data/*.pem
            chmod -R a+rX tree/data
        ) >>"$scratch/log" 2>&1; then
            mv "$scratch/tree" "$cache"
        else
            tail -n 20 "$scratch/log" >&2
        fi
    else
        tail -n 20 "$scratch/log" >&2
    fi
    rm -rf -- "$scratch"
    has_mysql
}

launch_mysql() {
    local program places
    mysql_of "$(mysql_cache)"
    # Of a server that was killed: the process that nobody has waited for yet would be taken for one that uses the socket.
    rm -f "$lab/run/$1.sock.lock"
    # Its own session: a server outlives the script that started it.
    as_server setsid -f "${program[@]}" --defaults-file="$lab/$1/my.cnf" >>"$lab/log/$1.out" 2>&1 </dev/null
    # A server that was killed takes its time to let the port go: only one with a pid file of its own is the one that listens.
    { within 60 server_pid "$1" >/dev/null && within 60 listens "$(sed -n 's/^port = //p' "$lab/$1/my.cnf")"; } ||
        { tail -n 5 "$lab/log/$1.log" >&2; die "$1 did not start"; }
}

start_mysql() {
    local name=$1 port cache program places
    cache=$(mysql_cache)
    ((EUID != 0)) || install -d -m 700 -o "$(server_user)" "$lab/$name"
    as_server mkdir -p "$lab/$name" "$lab/$name/tmp"
    as_server cp -r --sparse=always "$cache/data" "$lab/$name/data"
    port=$(free_port)
    # Runs at each start: the superuser has a password and comes over TCP only. It is no business of a server that follows this one.
    as_server sh -c "umask 077 && cat >run/$name.sql" < <(
        echo "SET SESSION sql_log_bin = 0;"
        echo "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '$password';"
        echo "GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;"
        echo "DROP USER IF EXISTS 'root'@'localhost';"
    )
    mysql_of "$cache"
    as_server sh -c "cat >$name/my.cnf" < <(
        cat <<-CONF
			[mysqld]
			datadir = $lab/$name/data
			tmpdir = $lab/$name/tmp
			socket = $lab/run/$name.sock
			pid-file = $lab/run/$name.pid
			log-error = $lab/log/$name.log
			init-file = $lab/run/$name.sql
			bind-address = 127.0.0.1
			port = $port
			mysqlx = 0
			skip-name-resolve
			secure-file-priv = NULL
			innodb-buffer-pool-size = 32M
			innodb-redo-log-capacity = 16M
			innodb-lock-wait-timeout = 120
			server-id = 1${name#mysql}
			log-bin = binlog
			gtid-mode = ON
			enforce-gtid-consistency = ON
		CONF
        printf '%s\n' "${places[@]}"
        [[ $name != mysql2 ]] || echo 'performance-schema = OFF'
    )
    start_server "$name"
    echo "mysql://root:$password@127.0.0.1:$port/" >"$lab/$name.url"
    echo "export GODWIT_LAB_${name^^}=$(cat "$lab/$name.url")" >>"$lab/env"
}
