# Makes the folder of a layer. build-image.nix sets the variables. POSIX shell; needs mkdir, ln and cp.
mkdir "$out"
ln -s "$layerTar" "$out/layer.tar"
cp "$jsonPath" "$out/json"
printf 1.0 > "$out/VERSION"
