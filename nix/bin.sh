# Puts a program into the folder where shells and `lib.getExe` look for it. POSIX shell; needs mkdir and ln.
mkdir -p "$out/bin"
ln -s "$target" "$out/bin/$program"
