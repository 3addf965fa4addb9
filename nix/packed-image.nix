# The derivation of an image: `layerwright pack`, and the attributes that users of an image ask for.
{
  run,
  names,
  compression,
  result,
  plainImage,
  ...
}:
{
  function,
  name,
  # What image.nix returns.
  parts,
  format ? "docker-archive",
  compressor ? "gz",
  # How many derivations pack a layer each. 0 for none: the image's own packs them all.
  layerDerivations ? 0,
  passthru ? { },
  meta ? { },
  # More of what the result tells, whatever `passthru` says.
  tells ? { },
}:
let
  base = names.base name;

  formats = {
    docker-archive = "${base}.tar";
    oci = "${base}-oci";
    oci-archive = "${base}-oci.tar";
  };
  file =
    formats.${format}
      or (throw "layerwright: ${function}: image `${name}`: format `${format}` is none of ${builtins.concatStringsSep ", " (builtins.attrNames formats)}");

  compressionFlags =
    compressor: [
      "--compression"
      (compression function compressor)
    ];

  # How many layers there are, only the plan knows, and it is not built yet. Those that are too many come out empty.
  layers = builtins.genList (
    index:
    run {
      inherit (parts) debug;
      name = "${base}-layer-${toString index}";
      arguments = [
        "layer"
        "--plan"
        "${parts.plan}"
        "--index"
        (toString index)
        "--output"
        (placeholder "out")
      ]
      ++ compressionFlags compressor
      ++ parts.stampFlags;
      isSelfContained = true;
    }
  ) layerDerivations;

  pack =
    {
      name,
      format,
      compressor,
      layers ? [ ],
    }:
    run {
      inherit (parts) debug;
      inherit name;
      arguments = [
        "pack"
        "--to"
        "${format}:${placeholder "out"}"
        "--tag"
        "${parts.imageName}:${parts.imageTag}"
        # Where `config` is beside other things, as in the config of an image, it is what is taken.
        "--image-config"
        ".attrs.json"
        "--no-cache"
      ]
      ++ parts.packFlags
      ++ compressionFlags compressor
      ++ (if parts.graph == null then [ ] else [ "--nix-db" "graph:.attrs.json#closure" ])
      ++ (if layers == [ ] then [ ] else [ "--layers" ] ++ map (layer: "${layer}") layers);
      attributes = { inherit (parts) config; } // (if parts.graph == null then { } else parts.graph);
      isSelfContained = true;
    };
in
# The image's name is checked first: newer versions of Nix would refuse the derivation's, in words that help nobody.
builtins.seq parts.imageName result {
  derivation = pack {
    name = file;
    inherit format compressor layers;
  };
  inherit passthru meta;
  tells = {
    inherit (parts)
      imageName
      imageTag
      plan
      customisation
      ;
    inherit layers format;
    isExe = false;
  }
  // tells;
  alike = change: {
    forDockerTools = plainImage {
      name = "${base}.tar";
      image = change (pack {
        name = "${base}.tar";
        format = "docker-archive";
        compressor = "none";
      });
    };
  };
}
