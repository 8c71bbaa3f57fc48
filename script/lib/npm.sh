# shellcheck shell=bash
# For script/setup: the npm packages of a tier. They are pinned, lie in .deps/npm/node_modules/, and their install scripts
# are not run. Uses wanted() and DEPS of script/setup.

NPM=$DEPS/npm

# playwright-core wants Node 20 or newer; Debian 12 has 18.
has_node() {
    [ "$(node -p 'parseInt(process.versions.node)' 2>/dev/null || echo 0)" -ge 20 ]
}

# wanted_npm: NAME@VERSION of each package of this tier that this machine may use.
wanted_npm() {
    local line arch=x64
    for line in $(wanted npm); do
        # shellcheck disable=SC2154  # set by script/setup
        [[ $line != @chdb/* || (-n $servers && $(uname -m) == x86_64) ]] || continue
        if [[ $line == node-linux-* ]]; then
            has_node && continue
            [[ $(uname -m) != @(aarch64|arm64) ]] || arch=arm64
            line=${line/ARCH/$arch}
        fi
        echo "$line"
    done
}

# Whether NAME@VERSION is there, in this very version.
is_unpacked_npm() {
    local about=$NPM/node_modules/${1%@*}/package.json
    [ -f "$about" ] && [[ $(<"$about") =~ \"version\":\ *\"${1##*@}\" ]]
}

missing_npm() {
    local package
    for package in $(wanted_npm); do
        is_unpacked_npm "$package" || echo "$package"
    done
}

all_unpacked() {
    local package
    for package; do
        is_unpacked_npm "$package" || return 1
    done
}

# What npm wrote down of each package that it unpacked: "NAME@VERSION sha512-…".
unpacked_integrity() {
    awk -F'"' '/^    "node_modules\// { name = substr($2, 14); version = "" }
        /^      "version":/ { version = $4 }
        /^      "integrity":/ { print name "@" version, $4 }' "$NPM/node_modules/.package-lock.json"
}

# Of each package whose sha512 is given in packages.txt: npm brought that one. (npm has checked what it brought against what
# the registry says; this is against what we say.) Another one is taken away again.
check_integrity() {
    local package integrity brought
    while read -r package integrity; do
        is_unpacked_npm "$package" || continue
        brought=$(unpacked_integrity | awk -v package="$package" '$1 == package { print $2 }')
        [ "$brought" = "$integrity" ] && continue
        rm -rf "${NPM:?}/node_modules/${package%@*}"
        echo "script/setup: npm brought another $package (${brought:-unknown}) than script/packages.txt has ($integrity)." >&2
        return 1
    done < <(awk '$2 == "npm" && $4 ~ /^sha512-/ { print $3, $4 }' script/packages.txt)
}

# What packages are to get of a dependency, whatever they ask for themselves.
write_overrides() {
    local package list=
    for package in $(tier=all wanted override); do
        list+="${list:+, }\"${package%@*}\": \"${package##*@}\""
    done
    echo "{ \"overrides\": { $list } }" >"$NPM/package.json"
}

# npm takes away what it is not asked for: what another tier brought is asked for again.
install_npm() {
    local package all=("$@") these=("$@")
    for package in $(tier=all wanted npm); do
        if is_unpacked_npm "$package"; then
            all+=("$package")
        fi
    done
    mkdir -p "$NPM"
    write_overrides
    npm install --prefix "$NPM" --no-save --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000 --loglevel=error "${all[@]}" >"$NPM/npm.log" 2>&1 &&
        all_unpacked "${these[@]}" && check_integrity && return
    cat "$NPM/npm.log" >&2
    return 1
}
