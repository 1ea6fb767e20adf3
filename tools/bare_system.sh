#!/usr/bin/env bash
# bare_system.sh ROOT [SUITE MIRROR]: installs a minimal Debian into the directory ROOT (debootstrap, as root), clones the
# committed state of this repository into it, and runs the two commands of the README there (docs/bare-system.md).
# What they print, how they end and how long they take goes to standard output; fails when one of them does.
set -euo pipefail
root=$(realpath -m "${1:?usage: tools/bare_system.sh ROOT [SUITE MIRROR]}")
suite=${2:-bookworm}
mirror=${3:-http://deb.debian.org/debian}
cd "$(dirname "$0")/.."
if [ "${TTS_BARE_INSIDE:-}" != yes ]; then  # mounts of our own, gone when this ends
  TTS_BARE_INSIDE=yes exec unshare --mount --propagation private "$0" "$root" "$suite" "$mirror"
fi
if [ ! -d "$root/usr/bin" ]; then
  components=main script=()
  case $mirror in *ubuntu*)
    components=main,universe
    script=(gutsy)  # an older debootstrap knows how to install Ubuntu, but not the name of every release
    ;;
  esac
  debootstrap --variant=minbase --components="$components" "$suite" "$root" "$mirror" "${script[@]}"
fi
cp /etc/resolv.conf "$root/etc/"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
rm -rf "$root/src/tts-engine"
mkdir -p "$root/src"
git clone --quiet --no-hardlinks . "$root/src/tts-engine"
echo "commit $(git rev-parse --short HEAD) in $(. "$root/etc/os-release" && echo "$PRETTY_NAME"), $(nproc) cores"

# inside EXPECTED COMMAND: the command in the clone, with nothing of this machine's environment.
inside() {
  local expected=$1 begin=$SECONDS status=0
  shift
  echo "== $*"
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root bash -c 'cd /src/tts-engine && "$@"' - "$@" || status=$?
  echo "== exit $status after $((SECONDS - begin)) s: $*"
  [ "$status" -eq "$expected" ] || { echo "$0: $1: expected exit $expected, got $status" >&2; exit 1; }
}
! chroot "$root" dpkg-query -W -f '${Status}' g++ 2>/dev/null | grep -q '^install ok' && inside 2 tools/speak.sh --no-install "Hello."
inside 0 tools/speak.sh "Hello from tts-engine."
inside 0 ls -l hello.wav
inside 0 tools/check.sh
