"""What people look at: metrics on disk, curves, pictures; knows no GAN."""
