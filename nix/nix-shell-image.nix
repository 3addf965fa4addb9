# What an image has to be told to be for a derivation what `nix-shell` is: its tools and variables, its shell hook, and what
# runs its build.
{
  script,
  interactiveShell,
  inStore,
  cacert,
  env,
  text,
  functions,
  ...
}:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elem
    hasContext
    isList
    isPath
    listToAttrs
    map
    removeAttrs
    toString
    ;

  # Where a sandbox has its build.
  buildFolder = "/build";

  # As Nix tells an attribute to a builder. A file has to be in the store for that.
  told =
    value:
    if isList value then
      concatStringsSep " " (map told value)
    else if isPath value then
      "${value}"
    else
      toString value;

  variablesOf =
    drv:
    let
      attributes = removeAttrs drv.drvAttrs [ "args" ];
      inFiles = attributes.passAsFile or [ ];
      ofAttribute =
        name:
        if elem name inFiles then
          {
            name = "${name}Path";
            value = "${script.write {
              name = "attribute-${name}";
              text = told attributes.${name};
            }}";
          }
        else
          {
            inherit name;
            value = told attributes.${name};
          };
      # Where the build is to put what it makes, which the image does not hold.
      ofOutput = name: {
        inherit name;
        value = builtins.unsafeDiscardStringContext drv.${name}.outPath;
      };
    in
    listToAttrs (map ofAttribute (attrNames attributes) ++ map ofOutput (drv.outputs or [ "out" ]));

  # A folder with one command.
  commandOf =
    name: text:
    script.run {
      inherit name;
      script = ./command.sh;
      variables = {
        inherit text;
        command = name;
        passAsFile = [ "text" ];
      };
    };
in
{
  # As in dockerTools.
  drv,
  name ? "${drv.name}-env",
  tag ? null,
  uid ? 1000,
  gid ? 1000,
  homeDirectory ? buildFolder,
  shell ? inStore "streamNixShellImage" "interactiveShell" interactiveShell,
  command ? null,
  run ? null,
}:
let
  fail = reason: throw "layerwright: streamNixShellImage: image `${name}`: ${reason}";
  owner = "${toString uid}:${toString gid}";

  buildDerivation = commandOf "buildDerivation" ''
    #!${shell}
    exec ${text.quoteAll (map told ([ drv.drvAttrs.builder ] ++ drv.drvAttrs.args or [ ]))}
  '';

  path = "${dirOf shell}:${buildDerivation}/bin";

  # What nix-shell itself does, up to where the user takes over.
  enter = ''
    unset PATH
    dontAddDisableDepTrack=1
    [ -e "$stdenv/setup" ] && . "$stdenv/setup"
    PATH=${path}''${PATH:+:"$PATH"}
    export PATH
    SHELL=${text.quote shell}
    BASH=${text.quote shell}
    set +e
    if [ -n "$PS1" ] && [ -z "$NIX_SHELL_PRESERVE_PROMPT" ]; then
      PS1='\n\[\033[1;32m\][nix-shell:\w]\$\[\033[0m\] '
    fi
    if [ "$(type -t runHook)" = function ]; then runHook shellHook; fi
    unset NIX_ENFORCE_PURITY
    if [ -n "$BASH_VERSION" ]; then
      shopt -u nullglob
      shopt -s execfail
    fi
  '';

  setup = script.write {
    name = "nix-shell-rc";
    text =
      enter
      + (
        if command == null && run == null then
          ""
        else
          ''
            ${if run == null then command else run}
            exit
          ''
      );
  };

  # `docker run IMAGE COMMAND` is to find the tools of the derivation, too. Only the build begins with the variables alone,
  # and the shell enters by itself.
  entry = commandOf "nix-shell-entry" ''
    #!${shell}
    case ''${1-} in
      ${text.quote shell}) exec "$@" ;;
      buildDerivation) exec ${buildDerivation}/bin/buildDerivation ;;
    esac
    ${enter}
    exec "$@"
  '';

  variables =
    (
      if cacert == null then
        { }
      else
        {
          SSL_CERT_FILE = "${cacert}";
          NIX_SSL_CERT_FILE = "${cacert}";
        }
    )
    // {
      PATH = path;
      HOME = homeDirectory;
      NIX_STORE = builtins.storeDir;
      NIX_BUILD_CORES = "1";
    }
    // variablesOf drv
    // {
      NIX_BUILD_TOP = buildFolder;
      TMPDIR = buildFolder;
      TEMPDIR = buildFolder;
      TMP = buildFolder;
      TEMP = buildFolder;
      PWD = buildFolder;
      TERM = "xterm-256color";
    };
in
if drv.drvAttrs.__structuredAttrs or false then
  fail "${drv.name} has `__structuredAttrs`, and no variables that an image could have"
else if command != null && run != null then
  fail "`command` and `run` are both to be run; give one of them"
else
  {
    inherit name tag;
    contents = [
      (if hasContext "${interactiveShell}" then functions.binSh else functions.binSh.overrideAttrs { target = shell; })
      (if env == null then null else functions.usrBinEnv)
      (functions.fakeNss.override {
        extraPasswdLines = [ "nixbld:x:${owner}:Build user:${homeDirectory}:/noshell" ];
        extraGroupLines = [ "nixbld:!:${toString gid}:" ];
      })
    ];

    # The user is to build, and may use Nix, which then is installed for one user.
    fakeRootCommands = ''
      mkdir -p ./nix/store ./nix/var/nix ./etc/nix .${buildFolder}
      chown -R ${owner} ./nix ./etc/nix .${buildFolder}
    '';

    config = {
      User = owner;
      Entrypoint = [ "${entry}/bin/nix-shell-entry" ];
      Cmd = [ shell ] ++ (if run == null then [ "--rcfile" ] else [ ]) ++ [ "${setup}" ];
      WorkingDir = buildFolder;
      Env = map (name: "${name}=${variables.${name}}") (attrNames variables);
    };
  }
