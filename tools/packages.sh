# shellcheck shell=bash disable=SC2034
# Sourced by the scripts beside it: installs what the build needs and is missing, through the package manager of Debian and
# Ubuntu. sudo is used only by a user who is not root; with install=no (--no-install) missing packages end the script.
packages=(build-essential ca-certificates catch2 ccache cmake git libicu-dev libpcre2-dev libsentencepiece-dev libsndfile1-dev
  libsoxr-dev libutf8proc-dev ninja-build nlohmann-json3-dev pkg-config)

install_packages() {
  local missing=() package
  command -v dpkg-query >/dev/null || {
    echo "$0: expected Debian or Ubuntu; on another system install what corresponds to: ${packages[*]}" >&2
    return 2
  }
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "${install:-yes}" = no ]; then
    echo "$0: missing packages: ${missing[*]}" >&2
    echo "run it without --no-install, or: apt-get install ${missing[*]}" >&2
    return 2
  fi
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  echo "installing: ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# configure PRESET [cmake options]: a build directory keeps the generator that it has.
configure() {
  local preset=$1
  shift
  local generator=(-G Ninja)
  [ ! -f "build/$preset/CMakeCache.txt" ] || generator=()
  mkdir -p build
  cmake --preset "$preset" "${generator[@]}" "$@" >"build/$preset.configure.log" 2>&1 || {
    cat "build/$preset.configure.log" >&2
    return 1
  }
}

jobs=$(nproc)
