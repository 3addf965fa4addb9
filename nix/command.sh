# Makes a folder with one command, from its text. POSIX shell; needs mkdir, cp and chmod.
mkdir -p "$out/bin"
cp "$textPath" "$out/bin/$command"
chmod 555 "$out/bin/$command"
