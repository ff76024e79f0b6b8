/** Shows the webcam and provides its frames. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { frameOf } from "./canvas.ts";

/** Returns the camera's current picture. */
export type Shoot = () => Promise<Blob>;

interface CameraProps {
  readonly onFault: (error: unknown) => void;
  /** Content below the picture while the camera is on. */
  readonly children: (shoot: Shoot) => ComponentChildren;
}

export function Camera({ onFault, children }: CameraProps) {
  const video = useRef<HTMLVideoElement>(null);
  /** The element itself: its reference is cleared a moment before the last requests for frames. */
  const [shown, setShown] = useState<HTMLVideoElement>();
  useEffect(() => {
    let stream: MediaStream | undefined;
    let isGone = false;
    const begin = async () => {
      if (navigator.mediaDevices === undefined)
        throw new Error("browsers give the camera to pages of this machine and by HTTPS alone");
      stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 640 }, facingMode: "environment" },
      });
      for (const track of stream.getTracks()) {
        if (isGone) track.stop();
        else track.addEventListener("ended", () => onFault(new Error("it was taken away")));
      }
      if (isGone) return;
      const element = video.current!;
      element.srcObject = stream;
      await element.play();
      if (!isGone) setShown(element);
    };
    begin().catch((error) => {
      if (!isGone) onFault(error);
    });
    return () => {
      isGone = true;
      for (const track of stream?.getTracks() ?? []) track.stop();
    };
  }, []);
  return (
    <div class="camera">
      <video ref={video} muted playsInline aria-label="What the webcam shows" />
      {shown === undefined ? (
        <p class="note">The browser asks whether this page may use the camera.</p>
      ) : (
        children(() => frameOf(shown))
      )}
    </div>
  );
}
