# What images often need beside programs, for `contents`.
{
  script,
  interactiveShell,
  env,
  cacert,
  ...
}:
let
  make =
    name: variables:
    script.run {
      inherit name;
      script = ./contents.sh;
      variables = variables // {
        what = name;
      };
    };

  # An image holds only what is in the store.
  inStore =
    what: argument: value:
    if value != null && builtins.hasContext "${value}" then
      "${value}"
    else
      throw "layerwright: ${what} links to a program in the store: give `${argument}` to nix/default.nix, e.g. ${argument} = \"\${pkgs.${
        if argument == "env" then "coreutils}/bin/env" else "bashInteractive}/bin/bash"
      }\"";

  overridable = import ./overridable.nix;
in
{
  # Users and groups for programs that ask for them: root and nobody.
  fakeNss = overridable (
    {
      extraPasswdLines ? [ ],
      extraGroupLines ? [ ],
    }:
    let
      lines = list: builtins.concatStringsSep "" (map (line: "${line}\n") list);
    in
    make "fake-nss" {
      passwd = "root:x:0:0:root user:/var/empty:/bin/sh\n${lines extraPasswdLines}nobody:x:65534:65534:nobody:/var/empty:/bin/sh\n";
      group = "root:x:0:\n${lines extraGroupLines}nobody:x:65534:\n";
    }
  ) { };

  # /bin/sh
  binSh = make "bin-sh" { target = inStore "binSh" "interactiveShell" interactiveShell; };

  # /usr/bin/env
  usrBinEnv = make "usr-bin-env" { target = inStore "usrBinEnv" "env" env; };

  # Certificates, in the three places where programs look.
  caCertificates = make "ca-certificates" {
    target =
      if cacert == null then
        throw "layerwright: caCertificates needs a file with certificates: give `cacert` to nix/default.nix, e.g. cacert = /etc/ssl/certs/ca-certificates.crt"
      else
        "${cacert}";
  };
}
