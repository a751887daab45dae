"""How it gets better: demonstrations, training, experience, human video, language, adaptation."""
