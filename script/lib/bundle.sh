# shellcheck shell=bash
# For script/setup: old servers for the tests, as `bundle` packages: unpacked into .deps/bundle/ with all libraries that they
# need and that are not installed, so that nothing is. Where the distribution has none, the tests that want one are skipped.
# Uses wanted(), has_candidate(), update_lists(), mb(), DEPS and servers of script/setup.

BUNDLE=$DEPS/bundle

missing_bundle() {
    local name
    [ -n "$servers" ] || return 0
    for name in $(wanted bundle); do
        [ -x "$BUNDLE/usr/sbin/$name" ] || command -v "$name" >/dev/null || ! has_candidate "$name" || echo "$name"
    done
}

# What installing the packages would bring.
closure() {
    LC_ALL=C apt-get install -s --no-install-recommends "$@" 2>/dev/null | sed -n 's/^Inst \([^ ]*\) .*/\1/p'
}

download_bundle() {
    local work=$DEPS/unpacking-bundle deb packages
    mapfile -t packages < <(closure "$@")
    [ "${#packages[@]}" -gt 0 ] || return 1
    echo "  download: $(apt-cache --no-all-versions show "${packages[@]}" | sed -n 's/^Size: //p' | mb)"
    rm -rf "$work"
    mkdir -p "$work/debs" "$work/root"
    (cd "$work/debs" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "${packages[@]}") || return 1
    for deb in "$work"/debs/*.deb; do
        dpkg-deb -x "$deb" "$work/root"
    done
    rm -rf "$BUNDLE"
    mv "$work/root" "$BUNDLE" # last and at once: what is there is whole
    rm -rf "$work"
}

unpack_bundle() {
    echo "To unpack into $BUNDLE/ with its libraries (not installed, no service): $*"
    download_bundle "$@" && return
    update_lists || return 1
    download_bundle "$@"
}
