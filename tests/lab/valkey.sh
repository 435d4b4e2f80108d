# shellcheck shell=bash
# Sourced by servers.sh and tests/run: the program of a lab's Valkey servers, valkey1 and valkey2. They start like Redis: mongodb_redis.sh.
#
# Debian 12 has no Valkey, its backports have: built for Debian 12, so that it needs nothing that is not there. It is kept outside the
# clone, and the machine's own sources of packages stay as they are. Why this way: docs/decisions/0010-valkey-server.md.

valkey_cache() { echo "$(mongod_cache)/valkey"; }

# Prints where the server program is.
valkey_bin() {
    command -v valkey-server || { [[ -x $(valkey_cache)/usr/bin/valkey-server ]] && echo "$(valkey_cache)/usr/bin/valkey-server"; }
}

# Libraries that it shares with Debian's Redis, as packages, where they are not there.
missing_valkey_libraries() {
    local library
    for library in libatomic.so.1:libatomic1 libjemalloc.so.2:libjemalloc2 liblzf.so.1:liblzf1; do
        compgen -G "/usr/lib/*-linux-gnu/${library%:*}" >/dev/null || echo "${library#*:}"
    done
}

# apt itself downloads and verifies, by a private list of sources and into a private directory, which needs no root. The mirror is the one
# that this machine's own release comes from; the archive's keys are those that it trusts already. Complete or not at all.
install_valkey() {
    local cache scratch release mirror key=/usr/share/keyrings/debian-archive-keyring.gpg
    cache=$(valkey_cache)
    command -v apt-get >/dev/null && [[ -r $key ]] || return
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # for apt to expand
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' "Release: $release" | head -n 1)
    [[ $mirror ]] || return
    mkdir -p "${cache%/*}" && scratch=$(mktemp -d "${cache%/*}/download.XXXXXX") || return
    mkdir -p "$scratch"/{lists,archives}/partial
    echo "deb [signed-by=$key] $mirror $release-backports main" >"$scratch/sources.list"
    # The package of the server is links and settings; the program is in the one with the tools.
    if (
        cd "$scratch" || exit
        apt=(apt-get -q -o Dir::Etc::SourceList="$scratch/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$scratch/lists"
            -o Dir::Cache="$scratch" -o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)")
        "${apt[@]}" update || exit
        "${apt[@]}" download valkey-server valkey-tools || exit
        for package in ./*.deb; do dpkg-deb -x "$package" tree || exit; done
        chmod -R a+rX tree && tree/usr/bin/valkey-server --version
    ) >"$scratch/log" 2>&1; then
        mv "$scratch/tree" "$cache"
    else
        tail -n 20 "$scratch/log" >&2
    fi
    rm -rf -- "$scratch"
    [[ -x $cache/usr/bin/valkey-server ]]
}
