"""Pure rules: tags and templates, who receives what, the text of a message in MIME, when to try again. No I/O, no clock."""
