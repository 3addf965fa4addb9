# Makes the tar of a customisation layer, as the builder of a derivation. customisation.nix sets the variables.
#
# 1. The program writes the files that the layer has without scripts into a folder, which becomes the image's root.
# 2. Run `extraCommands` in it, without rights.
# 3. Run `fakeRootCommands` as a root that fakeroot plays, with `enableFakechroot` within the folder as `/`, by proot.
# 4. Pack the folder: within the same session of fakeroot, since only there it is known who owns what, but out of proot, which
#    lays folders of the machine over those of the image.
#
# The program takes the tar back by `--staged`, and knows what nobody has changed.
#
# POSIX shell; needs coreutils and GNU tar, and fakeroot and proot where they are asked for. With nixpkgs, scripts have what
# every derivation has there: the tools and functions of its standard environment, which needs bash.
if [ -n "${stdenv-}" ]; then
  . "$stdenv/setup"
fi
set -eu

# In a sandbox a builder can give nothing away, and is told so in a way that fakeroot takes for a mistake.
export FAKEROOTDONTTRYCHOWN=1

umask 022
root=$NIX_BUILD_TOP/root

# Runs a script in a folder. Its shell stops at the first error, and whatever else it does to itself ends with it.
run_in() {
  (
    cd "$1"
    set +u
    . "$2"
  )
}

# Nothing of the moment, the machine or the file system's order.
pack() {
  tar --create --file "$out" --directory "$root" --sort=name --numeric-owner --mtime=@1 --hard-dereference "$@" .
}

# FOLDER=MODE=OWNER for each folder of the machine that lies over one of the image.
attributes_of_binds() {
  for folder in $binds; do
    if [ -d "$root$folder" ] || [ "$folder" = "$NIX_STORE" ]; then
      printf ' %s' "$folder=$(stat -c %a=%u:%g "$folder")"
    fi
  done
}

# What a script has done to such a folder is meant for that of the image.
give_attributes() {
  for now in $(attributes_of_binds); do
    case "$1 " in *" $now "*) continue ;; esac
    owner=${now##*=}
    now=${now%=*}
    folder=$root${now%=*}
    mkdir -p "$folder"
    chown "$owner" "$folder"
    chmod "${now##*=}" "$folder"
  done
}

run_as_root() {
  if [ -z "$enableFakechroot" ]; then
    run_in "$root" "$fakeRootCommandsPath"
    return
  fi
  binds=
  flags=
  for folder in /dev /proc /sys "$NIX_STORE" "$NIX_BUILD_TOP" $fakechrootBinds; do
    [ -e "$folder" ] || continue
    binds="$binds $folder"
    flags="$flags -b $folder"
  done
  before=$(attributes_of_binds)
  LAYERWRIGHT_AT=chroot proot -r "$root" $flags --cwd=/ "$SHELL" -eu "$0"
  give_attributes "$before"
}

# What fakeroot starts, and within it proot, is this script again.
case "${LAYERWRIGHT_AT-}" in
  chroot)
    run_in / "$fakeRootCommandsPath"
    exit 0
    ;;
  fakeroot)
    [ "$uid:$gid" = 0:0 ] || chown -hR "$uid:$gid" "$root"
    run_as_root
    pack
    exit 0
    ;;
esac

eval "$stage \"\$root\""

if [ -s "$extraCommandsPath" ]; then
  run_in "$root" "$extraCommandsPath"
fi

if [ -s "$fakeRootCommandsPath" ]; then
  LAYERWRIGHT_AT=fakeroot fakeroot -- "$SHELL" -eu "$0"
else
  pack --owner="$uid" --group="$gid"
fi
