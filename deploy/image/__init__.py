"""Steps of the image build (Dockerfile)."""
