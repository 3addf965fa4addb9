# Text: what nixpkgs' lib has for it.
rec {
  upper = [ "A" "B" "C" "D" "E" "F" "G" "H" "I" "J" "K" "L" "M" "N" "O" "P" "Q" "R" "S" "T" "U" "V" "W" "X" "Y" "Z" ];
  lower = [ "a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l" "m" "n" "o" "p" "q" "r" "s" "t" "u" "v" "w" "x" "y" "z" ];

  toLower = builtins.replaceStrings upper lower;

  # For a POSIX shell.
  quote = word: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString word)}'";
  quoteAll = words: builtins.concatStringsSep " " (map quote words);

  toList = value: if value == null then [ ] else if builtins.isList value then value else [ value ];

  # Lists in lists are one list, and what names nothing is left out: `lib.optional`, `lib.optionalString` and null make such
  # values, and builders of nixpkgs take them.
  flatten =
    value:
    if builtins.isList value then
      builtins.concatMap flatten value
    else if builtins.elem value [ null false "" ] then
      [ ]
    else
      [ value ];
}
