# What all images have in common: from dockerTools' arguments to a plan, and to the flags that make an image of it.
#
#     config, contents, scripts -> roots -> exportReferencesGraph -> `layerwright plan`: plan.json
#     plan.json, config, base image                               -> `layerwright pack`: an image, or a stream
#
# The plan is a derivation of its own: the image and its stream are made from the same one, and an image without a tag is
# named by its hash. So everything that changes the image is told to it.
{
  run,
  names,
  text,
  closure,
  planners,
  customisation,
  hostSystem,
  base,
  times,
  spelled,
  ...
}:
let
  epoch = "1970-01-01T00:00:01Z";
in
# The function that the user called, for messages.
function:
{
  # As in dockerTools.
  name,
  tag ? null,
  fromImage ? null,
  fromImageName ? null,
  fromImageTag ? null,
  contents ? [ ],
  config ? { },
  architecture ? null,
  variant ? null,
  created ? epoch,
  mtime ? epoch,
  uid ? 0,
  gid ? 0,
  uname ? "root",
  gname ? "root",
  maxLayers ? 100,
  extraCommands ? "",
  fakeRootCommands ? "",
  enableFakechroot ? false,
  includeStorePaths ? true,
  includeNixDB ? false,
  layeringPipeline ? null,
  debug ? false,
  # What dockerTools does not have.
  planner ? null,
  plannerConfig ? null,
  # Plans, images and histories of closures, oldest first: what planners may know of earlier images.
  history ? [ ],
  inheritFromImage ? "env",
  copyMode ? "links",
  # Who owns `contents` and what `extraCommands` makes.
  contentsUid ? uid,
  contentsGid ? gid,
}:
let
  fail = reason: throw "layerwright: ${function}: image `${name}`: ${reason}";
  when = condition: flags: if condition then flags else [ ];
  unless =
    default: flag: value:
    when (value != default) [
      flag
      (toString value)
    ];

  imageName = names.check function (names.image name);
  imageTag = if tag != null then tag else names.hashOf plan;
  imageConfig = if config == null then { } else spelled function name config;

  ofTop = {
    inherit
      name
      copyMode
      extraCommands
      fakeRootCommands
      enableFakechroot
      baseFlags
      includeNixDB
      ;
    contents = text.flatten contents;
    uid = contentsUid;
    gid = contentsGid;
  };
  top = customisation ofTop;

  time =
    argument: isOfFiles:
    times {
      inherit
        function
        name
        argument
        isOfFiles
        ;
    };
  createdAt = time "created" false created;
  modifiedAt = time "mtime" true mtime;

  # dockerTools has a customisation layer also where nothing is in it. With the same number of planned layers, the same
  # store paths share a layer as there.
  plannedLayers =
    if layeringPipeline != null || maxLayers == null then
      # More than these Docker does not mount. A pipeline decides by itself, as in dockerTools.
      125
    else if maxLayers < 2 then
      fail "maxLayers is ${toString maxLayers}, and has to be 2 at least: one layer for store paths, and one for `contents` and what scripts make"
    else if top.isEmpty && !includeNixDB then
      maxLayers - 1
    else
      maxLayers;

  position = base.position function fromImageName fromImageTag;
  below =
    if base.isStream fromImage then
      fail "`fromImage` is a stream, which is no file; take the image that buildLayeredImage makes"
    else if position == "first" then
      "${fromImage}"
    else
      "docker-archive:${fromImage}:${position}";

  baseFlags =
    when (fromImage != null) [
      "--from-image"
      below
    ]
    ++ [
      "--architecture"
      architectureOfImage
    ]
    ++ unless "" "--variant" variantOfImage;

  # What lies below and above the store paths. The plan leaves room for it.
  aroundFlags = baseFlags ++ top.flags;

  stampFlags =
    unless epoch "--mtime" modifiedAt
    ++ unless 0 "--uid" uid
    ++ unless 0 "--gid" gid
    ++ unless "root" "--uname" uname
    ++ unless "root" "--gname" gname;

  # The plan checks them, too: a wrong time or config fails there, and not when a stream runs.
  checkedFlags = [
    "--created"
    createdAt
    "--image-config"
    ".attrs.json"
  ]
  ++ unless "" "--variant" variantOfImage
  ++ stampFlags;

  settingFlags = [
    "--created"
    createdAt
  ]
  ++ when (fromImage != null) [
    "--inherit"
    inheritFromImage
  ]
  ++ when (!includeStorePaths) [ "--no-store-paths" ];

  architectureOfImage = if architecture == null then names.goArchitecture hostSystem else architecture;
  variantOfImage =
    if variant != null then
      variant
    else if architecture == null then
      names.goVariant hostSystem
    else
      "";

  # Whose paths Nix is to know, and what the plan is made of.
  graph = {
    exportReferencesGraph.closure = top.roots ++ closure.ofValue imageConfig;
    # flatten_references_graph of nixpkgs reads it in the same place.
    exclude_paths = top.leftOut;
  };

  plan = run {
    inherit debug;
    name = "${names.base name}-plan.json";
    arguments = [
      "plan"
      "--from"
      "graph:.attrs.json#closure"
      "--output"
      (placeholder "out")
      "--max-layers"
      (toString plannedLayers)
      "--no-compile-cache"
    ]
    ++ planners function { inherit planner plannerConfig layeringPipeline; }
    ++ when (text.toList history != [ ]) ([ "--history" ] ++ map (earlier: "${earlier}") (text.toList history))
    ++ aroundFlags
    ++ checkedFlags
    ++ when includeNixDB [ "--nix-db" ];
    attributes = graph // {
      config = imageConfig;
      # For the hash only.
      image = [
        imageName
        imageConfig
        stampFlags
        settingFlags
      ];
    };
  };
in
{
  inherit
    plan
    imageName
    imageTag
    stampFlags
    debug
    ;
  config = imageConfig;
  customisation = top.tar;
  # The same where no script made it, for those who ask.
  layerTar = if top.tar != null then top.tar else (customisation (ofTop // { extraCommands = ":"; })).tar;
  created = createdAt;
  architecture = architectureOfImage;
  # Only where it is needed for more than the plan.
  graph = if includeNixDB then graph else null;

  # `pack`, but for the destination, the name and the config, which is in a file.
  packFlags = [
    "--plan"
    "${plan}"
  ]
  ++ aroundFlags
  ++ settingFlags
  ++ stampFlags;
}
