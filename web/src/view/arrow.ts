/** An arrow drawn over everything: where the reader pulls, or what pushes. */
import {
  ConeGeometry, CylinderGeometry, Group, Mesh, MeshBasicMaterial, type PerspectiveCamera, SphereGeometry, Vector3,
} from 'three';

const THICK = 0.0035; // radius of the shaft in distances of the camera: about as thick on the screen wherever it is
const HEAD = 6; // shafts: length of the point
const UP = new Vector3(0, 1, 0); // three.js's cylinders and cones

export class Arrow {
  readonly group = new Group();
  private readonly material: MeshBasicMaterial;
  private readonly ball: Mesh;
  private readonly shaft: Mesh;
  private readonly head: Mesh;
  private readonly along = new Vector3();

  /** `marked`: where the sphere is, at the arrow's beginning or at its point. */
  constructor(colour: string, private readonly marked: 'start' | 'end') {
    // Transparent things are drawn last; without a test of depth, they are on top.
    this.material = new MeshBasicMaterial({ color: colour, depthTest: false, depthWrite: false, fog: false });
    this.material.transparent = true;
    this.ball = new Mesh(new SphereGeometry(1, 20, 14), this.material);
    this.shaft = new Mesh(new CylinderGeometry(1, 1, 1, 12).translate(0, 0.5, 0), this.material);
    this.head = new Mesh(new ConeGeometry(1, 1, 20).translate(0, -0.5, 0), this.material);
    this.group.add(this.ball, this.shaft, this.head);
    for (const part of this.group.children) part.renderOrder = 1000;
    this.hide();
  }

  hide(): void { this.group.visible = false; }

  show(from: Vector3, to: Vector3, camera: PerspectiveCamera): void {
    const { group, ball, shaft, head, along } = this;
    group.visible = true;
    const thick = THICK * camera.position.distanceTo(from);
    along.subVectors(to, from);
    const length = along.length();
    const point = Math.min(HEAD * thick, 0.6 * length); // of a short arrow not all is point
    shaft.visible = head.visible = length > thick;
    ball.position.copy(this.marked === 'start' ? from : to);
    ball.scale.setScalar(2.2 * thick);
    if (!head.visible) return;
    shaft.quaternion.setFromUnitVectors(UP, along.divideScalar(length));
    head.quaternion.copy(shaft.quaternion);
    shaft.position.copy(from);
    shaft.scale.set(thick, length - point, thick);
    head.position.copy(to);
    head.scale.set(0.42 * point, point, 0.42 * point);
  }

  dispose(): void {
    this.group.removeFromParent();
    for (const part of [this.ball, this.shaft, this.head]) part.geometry.dispose();
    this.material.dispose();
  }
}
