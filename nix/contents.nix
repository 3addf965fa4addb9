# What images often need beside programs, for `contents`.
{
  script,
  interactiveShell,
  env,
  cacert,
  shadow,
  loginShell,
  result,
  overridable,
  inStore,
  ...
}:
let
  make =
    name: variables:
    result {
      derivation = script.run {
        inherit name;
        script = ./contents.sh;
        variables = variables // {
          what = name;
          # To send it elsewhere takes longer than to make it.
          preferLocalBuild = true;
        };
      };
    };

  fakeNss =
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
    };
in
{
  # Users and groups for programs that ask for them: root and nobody.
  fakeNss = overridable (builtins.functionArgs fakeNss) fakeNss { };

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

  # For the beginning of a script with the image as /: what `useradd` and `groupadd` want to find.
  shadowSetup = ''
    ${if shadow == null then "" else "export PATH=${shadow}/bin:$PATH"}
    mkdir -p /etc/pam.d
    [ -f /etc/passwd ] || {
      echo 'root:x:0:0::/root:${loginShell}' > /etc/passwd
      echo 'root:!x:::::::' > /etc/shadow
    }
    [ -f /etc/group ] || {
      echo 'root:x:0:' > /etc/group
      echo 'root:x::' > /etc/gshadow
    }
    [ -f /etc/pam.d/other ] || printf '%s\n' \
      'account sufficient pam_unix.so' \
      'auth sufficient pam_rootok.so' \
      'password requisite pam_unix.so nullok yescrypt' \
      'session required pam_unix.so' > /etc/pam.d/other
    [ -f /etc/login.defs ] || : > /etc/login.defs
  '';
}
