# What needs a shell: text files, and builders that are scripts.
{
  system,
  shell,
  bash,
  path,
  ...
}:
let
  folders = paths: builtins.concatStringsSep ":" (map (folder: "${folder}") paths);
  PATH = folders path;
in
{
  # A text file in the store, with references. A shell without any command can write it, unless it is to be executable.
  write =
    {
      name,
      text,
      executable ? false,
    }:
    derivation {
      inherit name system text;
      builder = shell;
      args = [
        "-euc"
        ''
          {
            while IFS= read -r line; do printf '%s\n' "$line"; done
            printf %s "$line"
          } < "$textPath" > "$out"
          ${if executable then ''chmod +x "$out"'' else ""}
        ''
      ];
      passAsFile = [ "text" ];
      inherit PATH;
      # To send it elsewhere takes longer than to make it.
      preferLocalBuild = true;
    };

  # What a builder is told in .attrs.json, as a file: a graph among it.
  writeAttributes =
    { name, attributes }:
    derivation (
      attributes
      // {
        inherit name system;
        __structuredAttrs = true;
        preferLocalBuild = true;
        builder = shell;
        args = [
          "-euc"
          ''
            while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$line"; done < .attrs.json > ${placeholder "out"}
          ''
        ];
      }
    );

  # A derivation whose builder is a script of this folder. `tools` are packages that it needs besides `path`; null is what
  # `path` has.
  run =
    {
      name,
      script,
      tools ? [ ],
      variables ? { },
    }:
    let
      packages = builtins.filter (tool: tool != null) tools;
    in
    derivation (
      variables
      // {
        inherit name system;
        PATH = folders (path ++ map (tool: "${tool}/bin") packages);
        # For a standard environment, which makes its own PATH.
        nativeBuildInputs = map (tool: "${tool}") packages;
        builder = bash;
        args = [
          "-eu"
          "${script}"
        ];
      }
    );
}
