# Images that a script makes as root (`runAsRoot`), by nixpkgs' dockerTools, which has a virtual machine for it. It is told
# what it knows, and gets our images in its own form. `null` without nixpkgs.
{
  dockerTools,
  base,
  text,
  times,
  functions,
  ...
}:
let
  inherit (dockerTools) buildImage;

  # Which arguments it has, depends on the year of nixpkgs.
  known = buildImage.__functionArgs or (if builtins.isFunction buildImage then builtins.functionArgs buildImage else { });
  isKnown = argument: known == { } || known ? ${argument} || argument == "passthru";
in
if dockerTools == null then
  null
else
  {
    name,
    fromImage ? null,
    copyToRoot ? null,
    contents ? null,
    created ? null,
    passthru ? { },
    ...
  }@arguments:
  let
    fail = reason: throw "layerwright: buildImage: image `${name}`: ${reason}";

    foreign = builtins.filter (argument: !isKnown argument) (builtins.attrNames arguments);

    # One that has its default, or that changes nothing, asks for nothing.
    ours = left: (functions.buildImage (removeAttrs arguments ([ "runAsRoot" ] ++ left))).drvPath;
    asksForSomething = argument: arguments.${argument} != null && ours [ ] != ours [ argument ];
    unknown = builtins.filter asksForSomething foreign;

    # In its own form, where it is ours.
    below = fromImage.forDockerTools or fromImage;

    list = name: value: if value == null then { } else { ${name} = text.flatten value; };

    made = buildImage (
      removeAttrs arguments (foreign ++ [ "passthru" ])
      // list "copyToRoot" copyToRoot
      // list "contents" contents
      // (if fromImage == null then { } else { fromImage = below; })
      // (
        if created == null then
          { }
        else
          {
            created = times {
              inherit name;
              function = "buildImage";
              argument = "created";
            } created;
          }
      )
    );
  in
  if base.isStream fromImage then
    fail "`fromImage` is a stream, which is no file; take the image that buildLayeredImage makes"
  else if unknown != [ ] then
    fail "`runAsRoot` needs a virtual machine, so dockerTools builds this image, and it knows nothing of ${
      builtins.concatStringsSep ", " (map (argument: "`${argument}`") unknown)
    }"
  else if builtins.isAttrs made then
    made // passthru
  else
    made
