"""Pages for people: log in, and look after one's account. They need no JavaScript, and bring their own style."""
