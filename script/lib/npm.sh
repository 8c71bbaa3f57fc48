# shellcheck shell=bash
# For script/setup: the npm packages of a tier. They are pinned, lie in .deps/npm/node_modules/, and their install scripts
# are not run. Uses wanted() and DEPS of script/setup.

NPM=$DEPS/npm

# playwright-core wants Node 20 or newer; Debian 12 has 18.
has_node() {
    [ "$(node -p 'parseInt(process.versions.node)' 2>/dev/null || echo 0)" -ge 20 ]
}

# wanted_npm: NAME@VERSION of each package of this tier.
wanted_npm() {
    local line arch=x64
    for line in $(wanted npm); do
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

# npm takes away what it is not asked for: what another tier brought is asked for again.
install_npm() {
    local package all=("$@")
    for package in $(tier=all wanted npm); do
        if is_unpacked_npm "$package"; then
            all+=("$package")
        fi
    done
    mkdir -p "$NPM"
    npm install --prefix "$NPM" --no-save --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000 --loglevel=error "${all[@]}" >"$NPM/npm.log" 2>&1 &&
        [ -z "$(missing_npm)" ] && return
    cat "$NPM/npm.log" >&2
    return 1
}
