"""What a database holds at one instant, how two instants compare, and the statements a project declares about both."""
