"""Who is texted what, when and why not."""
