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
