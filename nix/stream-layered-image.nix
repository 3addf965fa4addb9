# A program that writes an image to standard output, for `docker load` and `podman load`: the image itself is never in
# the store. image.nix has the other arguments.
context@{
  program,
  script,
  shell,
  names,
  text,
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
      "--image-config"
      configFile
    ]
    ++ parts.packFlags
    ++ (if parts.graph == null then [ ] else [ "--nix-db" "graph:${graphFile}#closure" ])
  );

  stream = script.write {
    name = "stream-${names.base name}";
    executable = true;
    text = ''
      #!${shell}
      # Writes an image to standard output, as a docker-archive.
      name=${text.quote "${parts.imageName}:${parts.imageTag}"}
      while [ $# -gt 0 ]; do
        case "$1" in
          -t | --repo_tag | --repo-tag)
            [ $# -gt 1 ] || { echo "$0: $1 wants NAME:TAG behind it" >&2; exit 2; }
            name=$2
            shift
            ;;
          --repo_tag=* | --repo-tag=*)
            name=''${1#*=}
            ;;
          *)
            echo "usage: $0 [--repo_tag NAME:TAG] | docker load" >&2
            exit 2
            ;;
        esac
        shift
      done
      exec ${pack} --tag "$name"
    '';
  };
in
stream
// passthru
// {
  inherit (parts)
    imageName
    imageTag
    plan
    customisation
    ;
  inherit passthru meta;
  conf = configFile;
  isExe = true;
}
