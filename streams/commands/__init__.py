"""What the commands of ``tocsin`` do beyond calling the part that has their name; imported when a command runs."""
