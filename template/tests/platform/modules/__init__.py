"""Two modules of which these tests know what they do, whatever the application is made of."""
