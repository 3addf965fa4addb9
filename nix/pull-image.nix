# An image from a registry, as a docker archive. skopeo fetches it, in a fixed-output derivation.
{
  system,
  hostSystem,
  skopeo,
  cacert,
  names,
  ...
}:
let
  clean = builtins.replaceStrings [ "/" ":" ] [ "-" "-" ];
in
{
  imageName,
  imageDigest,
  # SRI, or in base 16 or 32 as `sha256`.
  hash ? null,
  sha256 ? null,
  os ? "linux",
  arch ? names.goArchitecture hostSystem,
  variant ? null,
  finalImageName ? imageName,
  finalImageTag ? "latest",
  tlsVerify ? true,
  name ? "docker-image-${clean finalImageName}-${clean finalImageTag}.tar",
}:
let
  fail = reason: throw "layerwright: pullImage: image `${imageName}`: ${reason}";

  isDigest = builtins.match "sha256:[0-9a-f]{64}" imageDigest != null;

  expected =
    if hash == null && sha256 == null then
      fail "without `hash` nobody could tell that it is the same image again. Put an empty one first, and Nix prints the right one: hash = \"\""
    else if hash != null && sha256 != null then
      fail "`hash` and `sha256` are the same; give one of them"
    else if hash != null then
      hash
    else
      sha256;

  # What Nix takes for a hash that it is to tell.
  unknown = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
in
if !isDigest then
  fail "`imageDigest` is `${imageDigest}`, which is no digest: sha256: and 64 hexadecimal digits, as `skopeo inspect docker://${imageName}` prints it"
else
  derivation (
    {
      inherit name system;
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = if expected == "" then unknown else expected;
      builder = "${skopeo}";
      args = [
        "--insecure-policy"
        "--tmpdir"
        "."
        "--override-os"
        os
        "--override-arch"
        arch
      ]
      ++ (if variant == null || variant == "" then [ ] else [ "--override-variant" variant ])
      ++ [
        "copy"
        "--src-tls-verify=${if tlsVerify then "true" else "false"}"
        "docker://${imageName}@${imageDigest}"
        "docker-archive:${placeholder "out"}:${finalImageName}:${finalImageTag}"
      ];
      # As for everything that nixpkgs fetches.
      impureEnvVars = [
        "http_proxy"
        "https_proxy"
        "ftp_proxy"
        "all_proxy"
        "no_proxy"
      ];
    }
    // (if cacert == null then { } else { SSL_CERT_FILE = "${cacert}"; })
  )
  // {
    imageName = finalImageName;
    imageTag = finalImageTag;
    inherit imageDigest;
    isExe = false;
  }
