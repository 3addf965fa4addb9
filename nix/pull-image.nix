# An image from a registry, as a docker archive. skopeo fetches it, in a fixed-output derivation.
{
  system,
  hostSystem,
  skopeo,
  cacert,
  names,
  result,
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
  # The same in the words of derivations.
  outputHash ? null,
  outputHashAlgo ? null,
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

  given = builtins.filter (one: one.value != null) [
    {
      value = hash;
      algorithm = null;
    }
    {
      value = sha256;
      algorithm = "sha256";
    }
    {
      value = outputHash;
      algorithm = if outputHashAlgo == "" then null else outputHashAlgo;
    }
  ];
  expected =
    if given == [ ] then
      fail "without `hash` nobody could tell that it is the same image again. Put an empty one first, and Nix prints the right one: hash = \"\""
    else if builtins.length given > 1 then
      fail "`hash`, `sha256` and `outputHash` are the same; give one of them"
    else
      builtins.head given;

  # An SRI hash, and Nix's own form with a colon, say what they are.
  named = builtins.match "(md5|sha1|sha256|sha512)[-:].*" expected.value;
  algorithm =
    if named != null && expected.algorithm != null && builtins.head named != expected.algorithm then
      fail "`${expected.value}` is no ${expected.algorithm}"
    else if named != null then
      builtins.head named
    else if expected.algorithm != null then
      expected.algorithm
    else if expected.value == "" then
      "sha256"
    else
      fail "`${expected.value}` does not say which hash it is; write it as sha256-BASE64, as Nix prints it, or as `sha256`";

  # What Nix takes for a hash that it is to tell.
  unknown = {
    sha256 = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    sha512 = "sha512-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
  };
in
if !isDigest then
  fail "`imageDigest` is `${imageDigest}`, which is no digest: sha256: and 64 hexadecimal digits, as `skopeo inspect docker://${imageName}` prints it"
else
  result {
    derivation = derivation (
      {
        inherit name system;
        outputHashMode = "flat";
        outputHashAlgo = algorithm;
        outputHash =
          if expected.value == "" then
            unknown.${algorithm} or (fail "`hash` is empty, which stands for sha256 or sha512, and not for ${algorithm}")
          else
            expected.value;
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
    );
    tells = {
      imageName = finalImageName;
      imageTag = finalImageTag;
      inherit imageDigest;
      isExe = false;
    };
  }
