# A program that writes an image to standard output, for `docker load` and `podman load`: the image itself is never in
# the store. image.nix has the other arguments.
context@{
  program,
  script,
  shell,
  names,
  text,
  result,
  ...
}:
{
  name,
  passthru ? { },
  meta ? { },
  ...
}@arguments:
let
  parts = context.image "streamLayeredImage" (
    removeAttrs arguments [
      "passthru"
      "meta"
    ]
  );

  configFile = script.write {
    name = "${names.base name}-config.json";
    text = builtins.toJSON { inherit (parts) config; };
  };

  graphFile = script.writeAttributes {
    name = "${names.base name}-graph.json";
    attributes = parts.graph;
  };

  pack = text.quoteAll (
    [
      program
      "pack"
      "--to"
      "-"
    ]
    ++ parts.packFlags
    ++ (if parts.graph == null then [ ] else [ "--nix-db" "graph:${graphFile}#closure" ])
  );

  # As in dockerTools, it is told the file with the config. The rest belongs to this image.
  streamScript = script.write {
    name = "stream";
    executable = true;
    text = ''
      #!${shell}
      # Writes an image to standard output, as a docker-archive.
      usage() {
        echo "usage: stream-${names.base name} [--repo_tag NAME:TAG] | docker load" >&2
        exit 2
      }
      [ $# -gt 0 ] || usage
      config=$1
      shift
      name=${text.quote "${parts.imageName}:${parts.imageTag}"}
      while [ $# -gt 0 ]; do
        case "$1" in
          -t | --repo_tag | --repo-tag)
            [ $# -gt 1 ] || { echo "stream-${names.base name}: $1 wants NAME:TAG behind it" >&2; exit 2; }
            name=$2
            shift
            ;;
          --repo_tag=* | --repo-tag=*)
            name=''${1#*=}
            ;;
          *)
            usage
            ;;
        esac
        shift
      done
      exec ${pack} --image-config "$config" --tag "$name"
    '';
  };

  stream = script.write {
    name = "stream-${names.base name}";
    executable = true;
    text = ''
      #!${shell}
      exec ${streamScript} ${configFile} "$@"
    '';
  };

  # nixpkgs' `lib.getExe` looks for a program in the output `bin`, where there is one.
  bin = script.run {
    name = "stream-${names.base name}-bin";
    script = ./bin.sh;
    variables = {
      target = "${stream}";
      program = "stream-${names.base name}";
    };
  };
in
# The image's name is checked first: newer versions of Nix would refuse the derivation's, in words that help nobody.
builtins.seq parts.imageName result {
  derivation = stream;
  inherit passthru;
  meta = {
    mainProgram = "stream-${names.base name}";
  }
  // meta;
  tells = {
    inherit (parts)
      imageName
      imageTag
      plan
      customisation
      ;
    inherit streamScript bin;
    conf = configFile;
    isExe = true;
  };
}
