"""Our vision-language-action model: `model` is the whole idea on one screen, beside it lie its parts."""
