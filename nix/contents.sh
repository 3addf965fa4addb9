# Makes a folder of contents.nix. POSIX shell; needs mkdir and ln.
case $what in
  fake-nss)
    mkdir -p "$out/etc" "$out/var/empty"
    printf %s "$passwd" > "$out/etc/passwd"
    printf %s "$group" > "$out/etc/group"
    printf 'hosts: files dns\n' > "$out/etc/nsswitch.conf"
    ;;
  bin-sh)
    mkdir -p "$out/bin"
    ln -s "$target" "$out/bin/sh"
    ;;
  usr-bin-env)
    mkdir -p "$out/usr/bin"
    ln -s "$target" "$out/usr/bin/env"
    ;;
  ca-certificates)
    mkdir -p "$out/etc/ssl/certs" "$out/etc/pki/tls/certs"
    ln -s "$target" "$out/etc/ssl/certs/ca-bundle.crt"
    ln -s "$target" "$out/etc/ssl/certs/ca-certificates.crt"
    ln -s "$target" "$out/etc/pki/tls/certs/ca-bundle.crt"
    ;;
esac
