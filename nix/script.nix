# What needs a shell: text files, and builders that are scripts.
{
  system,
  shell,
  bash,
  path,
  ...
}:
let
  PATH = builtins.concatStringsSep ":" (map (folder: "${folder}") path);
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
          while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$line"; done < "$textPath" > "$out"
          ${if executable then ''chmod +x "$out"'' else ""}
        ''
      ];
      passAsFile = [ "text" ];
      inherit PATH;
    };

  # What a builder is told in .attrs.json, as a file: a graph among it.
  writeAttributes =
    { name, attributes }:
    derivation (
      attributes
      // {
        inherit name system;
        __structuredAttrs = true;
        builder = shell;
        args = [
          "-euc"
          ''
            while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$line"; done < .attrs.json > ${placeholder "out"}
          ''
        ];
      }
    );

  # A derivation whose builder is a script of this folder.
  run =
    {
      name,
      script,
      variables ? { },
    }:
    derivation (
      variables
      // {
        inherit name system PATH;
        builder = bash;
        args = [
          "-eu"
          "${script}"
        ];
      }
    );
}
